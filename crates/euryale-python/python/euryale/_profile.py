"""A profile of each call of the application, for development."""

from __future__ import annotations

import cProfile
import logging
import re
import threading
import time
from pathlib import Path
from typing import Any, Callable

from . import _euryale

log = logging.getLogger("euryale")

#: The number of files that are kept: a larger number removes the oldest.
KEPT = 200

#: Names of our files, so that no other file of the folder is removed.
NAME = re.compile(r"\d{8}-\d{6}-\d{6}-[A-Z]{1,16}-[\w.@+-]{0,80}-\d+ms\.prof")

#: Answers whose code has run when the application returns.
COMPLETE = (list, tuple, bytes, _euryale.FileWrapper, _euryale.Deferred)


class Profiler:
    """An application that writes a profile of each call to a file, for ``pstats`` or snakeviz.

    One call runs at a time: since Python 3.12 a process has only one profile, which has the
    calls of all threads.
    """

    def __init__(self, app: Callable[..., Any], folder: Path):
        self.app = app
        self.folder = folder
        self.lock = threading.RLock()
        self.count = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        call = _Call(self, environ)
        returned = None
        try:
            returned = call.run(self.app, environ, start_response)
        finally:
            # An exception, such as a suspended pass, has a profile too.
            if returned is None or isinstance(returned, COMPLETE):
                call.write()
        return returned if isinstance(returned, COMPLETE) else _Iterable(returned, call)

    def keep(self, call: _Call) -> None:
        """Write the file of a call, and remove the oldest ones."""
        with self.lock:
            self.count += 1
            now = time.strftime("%Y%m%d-%H%M%S")
            path = self.folder / f"{now}-{self.count % 1_000_000:06}-{call.name()}.prof"
            try:
                call.profile.dump_stats(path)
                ours = sorted(path for path in self.folder.iterdir() if NAME.fullmatch(path.name))
                for old in ours[:-KEPT]:
                    old.unlink(missing_ok=True)
            except OSError as error:
                # The answer is complete without its profile.
                log.error("no profile: %s", error)


class _Call:
    """A call and the iteration of its answer."""

    def __init__(self, profiler: Profiler, environ: dict[str, Any]):
        self.profiler = profiler
        self.profile = cProfile.Profile()
        self.method = re.sub(r"[^A-Z]", "", environ["REQUEST_METHOD"])[:16] or "X"
        self.path = re.sub(r"[^\w.@+-]", ".", environ["PATH_INFO"].strip("/"), flags=re.ASCII)[:80]
        self.seconds = 0.0

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        with self.profiler.lock:
            began = time.perf_counter()
            try:
                return self.profile.runcall(function, *arguments)
            finally:
                self.seconds += time.perf_counter() - began

    def name(self) -> str:
        return f"{self.method}-{self.path}-{self.seconds * 1000:.0f}ms"

    def write(self) -> None:
        self.profiler.keep(self)


class _Iterable:
    """An iterable whose blocks are made while it is iterated."""

    def __init__(self, returned: Any, call: _Call):
        self.returned = returned
        self.iterator: Any = None
        self.call = call

    def __iter__(self) -> _Iterable:
        self.iterator = self.call.run(iter, self.returned)
        return self

    def __next__(self) -> bytes:
        block: bytes = self.call.run(next, self.iterator)
        return block

    def close(self) -> None:
        try:
            if (close := getattr(self.returned, "close", None)) is not None:
                self.call.run(close)
        finally:
            self.call.write()
