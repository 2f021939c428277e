"""The calls of collective.futures, for a view or a tile::

    from euryale.zope import futures

    def __call__(self):
        weather = futures.resultOrSubmit("weather", "…", fetch, "https://weather.example/")
        return f"<p>{weather}</p>"

The placeholder is never sent: the pass is thrown away, its worker is free while the promises run,
and the view is called again with the results. A promise has no access to the database: pass it
what it needs, and no persistent object.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import pickle
import threading
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Callable

from zope.globalrequest import getRequest
from zope.interface import alsoProvides, implementer

from .interfaces import IContainsPromises, IFutures, IPromises

#: In the environment of a request that was marked with IContainsPromises.
MARKED = "euryale.zope.marked"

_missing = object()


class FutureNotSubmittedError(Exception):
    """The key was submitted neither in this pass nor in an earlier one."""


class FutureNotResolvedError(Exception):
    """The key was submitted in this pass, and is resolved in the next one."""


class FutureAlreadyResolvedError(Exception):
    """The key has a result. Clear it before it is submitted again."""


def submit(key: str, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> bool:
    """Submit a call, whose result is there in the next pass. A second one replaces the first.

    Raises :class:`FutureAlreadyResolvedError` if the key has a result.
    """
    _submit(_request(), key, function, *arguments, **keywords)
    return True


def result(key: str, default: Any = _missing) -> Any:
    """Return the result of the key, or raise the exception that its call has raised.

    Without a result it returns ``default``, or raises :class:`FutureNotResolvedError` or
    :class:`FutureNotSubmittedError`.
    """
    promises = _promises(_request())
    if promises.has(key):
        return promises.get(key)
    if default is not _missing:
        return default
    if promises.is_submitted(key):
        raise FutureNotResolvedError(key)
    raise FutureNotSubmittedError(key)


def resultOrSubmit(
    key: str, placeholder: Any, function: Callable[..., Any], *arguments: Any, **keywords: Any
) -> Any:
    """Return the result of the key. If it was never submitted, submit it, and return the placeholder.

    Raises :class:`FutureNotResolvedError` if this pass has submitted it before.
    """
    try:
        return result(key)
    except FutureNotSubmittedError:
        submit(key, function, *arguments, **keywords)
        return placeholder


def submitMultiprocess(
    key: str, function: Callable[..., Any], *arguments: Any, **keywords: Any
) -> bool:
    """Submit a call that runs in another process, because it computes.

    The function and its arguments are pickled, so it is a function of a module. The process
    has none of the application's state.
    """
    pickle.dumps((function, arguments, keywords))
    return submit(key, _in_process, function, *arguments, **keywords)


def resultOrSubmitMultiprocess(
    key: str, placeholder: Any, function: Callable[..., Any], *arguments: Any, **keywords: Any
) -> Any:
    """Like :func:`resultOrSubmit`, for a call that runs in another process."""
    try:
        return result(key)
    except FutureNotSubmittedError:
        submitMultiprocess(key, function, *arguments, **keywords)
        return placeholder


def cancel(key: str) -> bool:
    """Drop what this pass has submitted. ``False`` if there was nothing."""
    return _promises(_request()).cancel(key)


def clear(key: str) -> bool:
    """Drop a result, so that the key can be submitted again. ``False`` if there was none."""
    return _promises(_request()).clear(key)


def reset(key: str) -> bool:
    """Drop what was submitted, and the result. ``False`` if there was neither."""
    cancelled = cancel(key)
    return clear(key) or cancelled


@implementer(IFutures)
class Futures:
    """The results of a request."""

    def __init__(self, request: Any):
        self._promises = _promises(request)

    def __contains__(self, key: str) -> bool:
        return self._promises.has(key)

    def __getitem__(self, key: str) -> Any:
        if not self._promises.has(key):
            raise KeyError(key)
        try:
            return self._promises.get(key)
        except Exception as error:
            return error

    def __delitem__(self, key: str) -> None:
        if not self._promises.clear(key):
            raise KeyError(key)

    def get(self, key: str, default: Any = None) -> Any:
        return self[key] if key in self else default


@implementer(IPromises)
class Promises:
    """The promises that a pass has submitted."""

    def __init__(self, request: Any):
        self._request = request
        self._promises = _promises(request)

    def __contains__(self, key: str) -> bool:
        return self._promises.is_submitted(key)

    def __setitem__(self, key: str, function: Callable[[], Any]) -> None:
        _submit(self._request, key, function)

    def __delitem__(self, key: str) -> None:
        if not self._promises.cancel(key):
            raise KeyError(key)


def _request() -> Any:
    request = getRequest()
    if request is None:
        raise RuntimeError("there is no request: promises belong to one")
    return request


def _promises(request: Any) -> Any:
    try:
        return request.environ["euryale.promises"]
    except KeyError:
        raise RuntimeError("this server has no promises: serve the site by Euryale") from None


def _submit(
    request: Any, key: str, function: Callable[..., Any], *arguments: Any, **keywords: Any
) -> None:
    promises = _promises(request)
    if promises.has(key):
        raise FutureAlreadyResolvedError(key)
    promises.cancel(key)
    promises.submit(key, function, *arguments, **keywords)
    if MARKED not in request.environ:
        request.environ[MARKED] = True
        alsoProvides(request, IContainsPromises)


_processes: ProcessPoolExecutor | None = None
_lock = threading.Lock()


def _in_process(function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    global _processes
    with _lock:
        if _processes is None:
            # A process with threads is never forked.
            context = multiprocessing.get_context("spawn")
            _processes = ProcessPoolExecutor(os.cpu_count(), mp_context=context)
            atexit.register(_processes.shutdown, wait=False, cancel_futures=True)
        processes = _processes
    return processes.submit(function, *arguments, **keywords).result()
