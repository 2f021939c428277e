"""Zope with views for the add-on."""

import os
import pickle
import threading
import time

import transaction
from AccessControl.SecurityManagement import getSecurityManager
from ZODB.blob import Blob
from ZPublisher.Iterators import IStreamIterator, IUnboundStreamIterator, filestream_iterator
from zope.component import provideAdapter
from zope.globalrequest import getRequest
from zope.interface import Interface, implementer, noLongerProvides
from zope.publisher.interfaces.browser import IBrowserRequest
from zope.security import checkPermission

from euryale.zope import consume, futures
from euryale.zope.interfaces import IContainsPromises, IFutures, IPromises
from euryale.zope.streams import export
from pages import wait

passes = []
together = threading.Barrier(3, timeout=30)


def factory(global_conf, **settings):
    from Zope2.Startup.run import make_wsgi_app

    zope = make_wsgi_app(global_conf, **settings)
    for name, view in globals().items():
        if name.startswith("View"):
            provideAdapter(view, (Interface, IBrowserRequest), Interface, name[4:].lower())
    return zope


class View:
    __roles__ = None

    def __init__(self, context, request):
        self.root = context.getPhysicalRoot()
        self.request = request


def gated(name):
    return f"{name} in {wait(name)}"


def raises():
    raise ValueError("a promise raised this")


class ViewPage(View):
    """Writes in each pass, and has placeholders in the first."""

    def __call__(self):
        self.root.written = getattr(self.root, "written", 0) + 1
        passes.append("page")
        self.request.response.setHeader("X-Pass", str(len(passes)))
        name = self.request.environ["QUERY_STRING"]
        return "\n".join(futures.resultOrSubmit(key, "placeholder", gated, name) for key in "ab")


class ViewUrl(View):
    def __call__(self):
        return self.root.absolute_url()


class ViewWritten(View):
    def __call__(self):
        return str(getattr(self.root, "written", 0))


class ViewTogether(View):
    """Three promises that each wait for the other two."""

    def __call__(self):
        return str(sorted(futures.resultOrSubmit(key, 0, together.wait) for key in "abc"))


class ViewErrors(View):
    """The errors of the calls, in two passes."""

    def __call__(self):
        said = []
        for call in [
            lambda: futures.result("none"),
            lambda: futures.result("none", "default"),
            lambda: futures.submit("key", str, 7),
            lambda: futures.result("key"),
            lambda: futures.resultOrSubmit("key", "placeholder", str, 7),
            lambda: futures.submit("bad", raises),
            lambda: futures.result("bad"),
            lambda: futures.cancel("none"),
        ]:
            try:
                said.append(repr(call()))
            except Exception as error:
                said.append(type(error).__name__)
        passes.append(" ".join(said))
        return passes[-1]


class ViewPasses(View):
    def __call__(self):
        return "\n".join(passes)


class ViewPlaceholder(View):
    def __call__(self):
        value = futures.resultOrSubmit("never", "placeholder", wait, "never")
        noLongerProvides(self.request, IContainsPromises)
        return value


class ViewRaises(View):
    """Raises in the pass that has submitted, and not in the next one."""

    def __call__(self):
        futures.resultOrSubmit("key", None, str, 7)
        return "value " + IFutures(self.request)["key"]


class ViewMappings(View):
    def __call__(self):
        found = IFutures(self.request)
        if "key" not in found:
            IPromises(self.request)["key"] = raises
            assert "key" in IPromises(self.request)
            return "placeholder"
        return type(found["key"]).__name__


class ViewReset(View):
    """Submits again what has a result, until there is none."""

    def __call__(self):
        number = self.request.environ["euryale.history"][1]
        if number < 3:
            futures.reset("key")
            futures.submit("key", str, number)
            return "placeholder"
        return futures.result("key")


class ViewProcess(View):
    def __call__(self):
        try:
            refused = not futures.submitMultiprocess("bad", lambda: None)
        except (AttributeError, pickle.PicklingError):
            refused = True
        own = os.getpid()
        other = futures.resultOrSubmitMultiprocess("pid", 0, os.getpid)
        return f"{refused} {own != other}"


class ViewCommits(View):
    """Commits by itself before it submits: that is kept."""

    def __call__(self):
        if self.request.environ["euryale.history"][1] == 1:
            self.root.written = getattr(self.root, "written", 0) + 1
            transaction.commit()
        return futures.resultOrSubmit("key", "placeholder", str, 7)


class ViewCount(View):
    """Adds one to a number, slowly, so that two of them conflict."""

    def __call__(self):
        value = getattr(self.root, "written", 0)
        time.sleep(0.002)
        self.root.written = value + 1
        return str(value + 1)


@implementer(IUnboundStreamIterator)
class Lines:
    """An iterator without a length, which is no file."""

    def __init__(self, *lines):
        self.lines = iter(lines)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.lines)

    def close(self):
        passes.append("lines closed in " + threading.current_thread().name)


@implementer(IStreamIterator)
class Counted(Lines):
    """The same with a length."""

    def __len__(self):
        return 7


class Reads:
    """As a file, which is not one of the system."""

    def read(self, size=-1):
        return next(self.lines, b"")


class Readable(Reads, Lines):
    pass


class ViewUnbound(View):
    def __call__(self):
        iterator = Lines()
        iterator.lines = self.lines(self.request.environ["QUERY_STRING"])
        return iterator

    def lines(self, name):
        yield b"one "
        wait(name)
        yield b"two"


class ViewCounted(View):
    def __call__(self):
        return Counted(b"one ", b"two")


class ViewReadable(View):
    def __call__(self):
        return Readable(b"one ", b"two")


class ViewFile(View):
    """A file of the system."""

    def __call__(self):
        return filestream_iterator(__file__)


def rows(context, name):
    """What an export sees, before and after its first block."""
    request = context.REQUEST
    user = getSecurityManager().getUser()
    yield f"{threading.current_thread().name}\n{context.absolute_url()}\n{user}\n".encode()
    yield f"{getRequest() is request} {request.form} {checkPermission('zope2.View', context)}\n".encode()
    wait(name)
    context.written = getattr(context, "written", 0) + 1
    yield f"{context.written}".encode()


class ViewExport(View):
    def __call__(self):
        return export(rows, self.root, self.request.form["name"])


class ViewConnections(View):
    """The number of open connections but this one."""

    def __call__(self):
        connections = self.root._p_jar.db().connectionDebugInfo()
        return str(sum(info["opened"] is not None for info in connections) - 1)


class ViewUpload(View):
    def __call__(self):
        self.root.uploaded = Blob()
        file = os.fstat(self.request.environ["euryale.body"].fileno())
        consume(self.root.uploaded, self.request)
        return f"uploaded {file.st_ino}"


class ViewUploaded(View):
    def __call__(self):
        with self.root.uploaded.open() as file:
            return f"{len(file.read())} {os.fstat(file.fileno()).st_ino}"
