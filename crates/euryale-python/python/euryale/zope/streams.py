"""Answers whose blocks are made outside the workers, while they are sent.

Every ``IUnboundStreamIterator`` that a view returns is read by a thread for streams. As its
documentation says, it must not use the database. An *export* may, because it has a connection of
its own::

    from euryale.zope.streams import export

    class Visits(BrowserView):
        def __call__(self):
            self.request.response.setHeader("Content-Type", "text/csv")
            return export(rows, self.context)

    def rows(context):
        for visit in context.visits.values():
            yield f"{visit.day};{visit.count}\\n".encode()
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Callable, Iterable, Iterator

from AccessControl.SecurityManagement import (
    getSecurityManager,
    newSecurityManager,
    noSecurityManager,
)
from AccessControl.users import nobody
from Acquisition import aq_inner, aq_parent
from transaction import TransactionManager
from zope.component.hooks import getSite, setSite
from zope.globalrequest import clearRequest, getRequest, setRequest
from zope.interface import classImplements, implementer
from zope.security.management import endInteraction, newInteraction
from ZPublisher.BaseRequest import RequestContainer
from ZPublisher.Iterators import IUnboundStreamIterator

from .. import FileWrapper, Stream, stream

# Zope's publisher passes on a body of this kind as it is.
classImplements(Stream, IUnboundStreamIterator)


def leave_to_lane(event: Any) -> None:
    """Let a thread for streams read the iterator that a view has returned.

    A subscriber of ``IPubSuccess``: the transaction has ended, and the connection to the database
    is about to be closed.
    """
    request = event.request
    response = request.response
    body = response.body
    if "euryale.promises" not in request.environ or isinstance(body, Stream):
        return
    if not IUnboundStreamIterator.providedBy(body):
        return
    if not response._streaming and response.getHeader("Content-Length") is None:
        # The iterator knows its length, and a stream has none.
        response.setHeader("Content-Length", str(len(body)))
    # As the publisher does. A file of the system is still sent as one.
    response.body = stream(FileWrapper(body) if hasattr(body, "read") else body)


def export(
    function: Callable[..., Iterable[bytes]], context: Any, *arguments: Any, **keywords: Any
) -> Export:
    """Return what a view returns for an answer that is read from the database while it is sent.

    The function is called with the context, loaded by a connection of the export's own, and returns
    an iterable of bytes. It sees what is committed when its first block is made. Site, user and
    request are those of the view. Nothing that it changes is committed. The other arguments must
    not be persistent objects, which belong to the connection of the view.
    """
    return Export(function, context, arguments, keywords)


@implementer(IUnboundStreamIterator)
class Export:
    """The blocks of an export."""

    def __init__(
        self,
        function: Callable[..., Iterable[bytes]],
        context: Any,
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
    ):
        self._function = function
        self._arguments = arguments
        self._keywords = keywords
        self._path = context.getPhysicalPath()
        self._db = context.getPhysicalRoot()._p_jar.db()
        site = getSite()
        self._site = site.getPhysicalPath() if hasattr(site, "getPhysicalPath") else None
        user = getSecurityManager().getUser()
        folder = aq_parent(aq_inner(user))
        self._users = folder.getPhysicalPath() if folder is not None else None
        self._user = user.getId()
        self._request = _copy(getRequest())
        self._blocks: Iterator[bytes] | None = None

    def __iter__(self) -> Export:
        return self

    def __next__(self) -> bytes:
        if self._blocks is None:
            self._blocks = self._make()
        return next(self._blocks)

    def close(self) -> None:
        """Close the connection, if there is one. Called in the thread that has read the blocks."""
        try:
            if self._blocks is not None:
                self._blocks.close()
        finally:
            self._request.clear()

    def _make(self) -> Iterator[bytes]:
        own = TransactionManager()
        with ExitStack() as ending:
            connection = self._db.open(own)
            ending.callback(connection.close)
            ending.callback(own.abort)
            app = connection.root()["Application"]
            app = app.__of__(RequestContainer(REQUEST=self._request))
            self._request["PARENTS"] = [app]
            setRequest(self._request)
            ending.callback(clearRequest)
            user = self._find_user(app)
            newSecurityManager(None, user)
            ending.callback(noSecurityManager)
            self._request["AUTHENTICATED_USER"] = user
            newInteraction()
            ending.callback(endInteraction)
            if self._site is not None:
                setSite(app.unrestrictedTraverse(self._site))
                ending.callback(setSite, None)
            context = app.unrestrictedTraverse(self._path)
            yield from self._function(context, *self._arguments, **self._keywords)

    def _find_user(self, app: Any) -> Any:
        """The user of the view. One that no longer exists is anonymous."""
        if self._users is None or self._user is None:
            return nobody
        folder = app.unrestrictedTraverse(self._users)
        user = folder.getUserById(self._user)
        return nobody if user is None else user.__of__(folder)


def _copy(request: Any) -> Any:
    """A request with the same addresses, layers and form, that outlives the one of the view."""
    copy = request.clone()
    copy["PARENTS"] = []
    copy.form = dict(request.form)
    copy._script = list(request._script)
    for name in ("SERVER_URL", "VirtualRootPhysicalPath"):
        if name in request.other:
            copy.other[name] = request.other[name]
    return copy
