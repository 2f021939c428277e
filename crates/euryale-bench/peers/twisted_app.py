"""The views of the benchmarks on Twisted's web server."""

import os
import sys

from twisted.internet import reactor
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site
from twisted.web.static import File

FOLDER = os.environ["BENCH_FOLDER"]
VIEW = os.environ["BENCH_VIEW"]


class Page(Resource):
    """Small, and late where the view is slow."""

    isLeaf = False

    def getChild(self, name, request):
        return self if name == b"" else File(os.path.join(FOLDER, os.path.basename(name.decode())))

    def render_GET(self, request):
        request.setHeader("Content-Type", "text/plain; charset=utf-8")
        if VIEW != "slow":
            return b"hello"
        late = reactor.callLater(1, self.answer, request)
        request.notifyFinish().addErrback(lambda _gone: late.active() and late.cancel())
        return NOT_DONE_YET

    def answer(self, request):
        request.setHeader("Content-Length", "5")
        request.write(b"hello")
        request.finish()


reactor.listenTCP(int(sys.argv[1]), Site(Page()), interface="127.0.0.1", backlog=1024)
reactor.run()
