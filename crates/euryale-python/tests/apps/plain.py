"""An application without a framework, for what servers do."""

import ctypes
import gzip
import io
import os
import signal
import threading
import time

TEXT = [("Content-Type", "text/plain")]
BIG = os.path.abspath("big.bin")

ran = []
seen = []
local = threading.local()
locals_made = []

signal.signal(signal.SIGUSR1, lambda number, frame: seen.append("USR1"))
signal.signal(signal.SIGUSR2, lambda number, frame: seen.append("USR2"))


class Range:
    """As plone.namedfile's filestream_range_iterator."""

    def __init__(self, path, start, end):
        self._io = io.FileIO(path)
        self.start = start
        self.end = end
        self._io.seek(start)
        self.closed = False

    def read(self, size=-1):
        seen.append("read")
        return self._io.read(size)

    def close(self):
        seen.append("range closed in " + threading.current_thread().name)
        self._io.close()


def app(environ, start_response):
    path = environ["PATH_INFO"]
    page = globals().get("page_" + path.strip("/"), page_)
    return page(environ, start_response)


def text(start_response, value):
    start_response("200 OK", TEXT)
    return [str(value).encode()]


def page_(environ, start_response):
    ran.append(environ["PATH_INFO"])
    return text(start_response, "hello")


def page_ran(environ, start_response):
    return text(start_response, len(ran))


def page_seen(environ, start_response):
    return text(start_response, "\n".join(seen))


def page_thread(environ, start_response):
    if not hasattr(local, "made"):
        local.made = True
        locals_made.append(threading.current_thread().name)
    kind = type(threading.current_thread()).__name__
    return text(start_response, f"{threading.current_thread().name} {kind} {len(locals_made)}")


def page_wait(environ, start_response):
    """Waits until there is a file of the query's name."""
    while not os.path.exists(environ["QUERY_STRING"]):
        time.sleep(0.01)
    return text(start_response, "waited")


def page_held(environ, start_response):
    """Holds the GIL in a call of C's for longer than any test."""
    seen.append("held")
    ctypes.PyDLL(None).sleep(600)
    return text(start_response, "never")


def page_stuck(environ, start_response):
    time.sleep(600)
    return text(start_response, "never")


def page_length(environ, start_response):
    body = environ["wsgi.input"].read()
    return text(start_response, f"{len(body)} {environ.get('CONTENT_LENGTH')}")


def page_generator(environ, start_response):
    start_response("200 OK", TEXT)
    return (b"x" * 65536 for _ in range(200))


def page_file(environ, start_response):
    size = str(os.stat(BIG).st_size)
    start_response("200 OK", [*TEXT, ("Content-Length", size)])
    return environ["wsgi.file_wrapper"](open(BIG, "rb"), 65536)


def page_offset(environ, start_response):
    file = open(BIG, "rb")
    file.readline()
    file.seek(1000)
    file.read(10)
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](file)


def page_range(environ, start_response):
    headers = [*TEXT, ("Content-Length", "5000"), ("Content-Range", "bytes 100-5099/9000000")]
    start_response("206 Partial Content", headers)
    return environ["wsgi.file_wrapper"](Range(BIG, 100, 5100), 65536)


def page_whole(environ, start_response):
    """As the range iterator for a request without a range."""
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](Range(BIG, 0, None), 65536)


def page_gzip(environ, start_response):
    path = os.path.abspath("small.gz")
    with gzip.open(path, "wb") as file:
        file.write(b"unpacked")
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](gzip.open(path))


def page_pipe(environ, start_response):
    read, write = os.pipe()
    os.write(write, b"through a pipe")
    os.close(write)
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](os.fdopen(read, "rb"))
