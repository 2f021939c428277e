"""An application in a process that cannot start its third worker, or none of them."""

import os
import threading

start = threading.Thread.start


def start_unless_third(thread):
    fails = os.environ.get("FAILS", "euryale-2").split()
    if thread.name in fails:
        raise RuntimeError("can't start new thread")
    start(thread)


threading.Thread.start = start_unless_third


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    names = [thread.name for thread in threading.enumerate()]
    return [b"%d" % sum(name[8:].isdigit() for name in names)]
