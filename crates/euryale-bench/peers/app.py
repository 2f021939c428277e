"""The views of the benchmarks as a WSGI application: what a WSGI server is measured with."""

import os
import tempfile
import threading
import time

FOLDER = os.environ["BENCH_FOLDER"]
VIEW = os.environ["BENCH_VIEW"]
PIECE = 65536


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if VIEW == "slow":
        time.sleep(1)
    elif VIEW == "promise":
        environ["euryale.promises"].result("slow", time.sleep, 1)
    elif VIEW == "suspended" and path != "/":
        return suspended(environ, start_response, path)
    elif VIEW == "deferred":
        import euryale

        return euryale.deferred(slow)
    elif VIEW == "upload" and path == "/upload":
        return plain(start_response, str(length_of(environ)))
    elif VIEW == "files" and path != "/":
        return blob(environ, start_response, os.path.join(FOLDER, os.path.basename(path)))
    return plain(start_response, "hello")


released = threading.Event()
arrived = 0


def suspended(environ, start_response, path):
    """Counts the calls, which are suspended until they are released."""
    global arrived
    if path == "/arrived":
        return plain(start_response, str(arrived))
    if path == "/release":
        released.set()
        return plain(start_response, "hello")
    _, number = environ["euryale.history"]
    with counting:
        arrived += number == 1
    environ["euryale.promises"].deadline(600).shared(600).result("released", released.wait)
    return plain(start_response, "hello")


counting = threading.Lock()


def slow():
    time.sleep(1)
    return "200 OK", [("Content-Type", "text/plain; charset=utf-8")], b"hello"


def plain(start_response, text):
    body = text.encode()
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]


def length_of(environ):
    """Of the body, which goes into a file: what is compared is taking in, not throwing away."""
    length = 0
    with tempfile.TemporaryFile(dir=FOLDER) as file:
        while piece := environ["wsgi.input"].read(PIECE):
            file.write(piece)
            length += len(piece)
    return length


def blob(environ, start_response, path):
    file = open(path, "rb")
    length = os.fstat(file.fileno()).st_size
    headers = [("Content-Type", "application/octet-stream"), ("Content-Length", str(length))]
    start_response("200 OK", headers)
    wrapper = environ.get("wsgi.file_wrapper")
    if wrapper is not None:
        return wrapper(file, PIECE)
    return iter(lambda: file.read(PIECE), b"")
