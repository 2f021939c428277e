"""Work that holds no worker: promises, deferred answers, streams, later calls, conflicts."""

import random
import time

import euryale

TEXT = [("Content-Type", "text/plain; charset=utf-8")]


def slow(what):
    """Stand for another service, which takes its time."""
    time.sleep(0.3)
    return f"{what} {random.randint(1, 99)}"


def promises(environ, start_response):
    """Three calls at the same time. The worker is free meanwhile, and this is called again."""
    promises = environ["euryale.promises"]
    for what in ("rain", "wind", "sun"):
        promises.submit(what, slow, what)
    lines = [promises.result(what) for what in ("rain", "wind", "sun")]
    start_response("200 OK", TEXT)
    return ["\n".join(lines).encode()]


def shared(environ, start_response):
    """One call for all requests of ten seconds."""
    rate = environ["euryale.promises"].shared(10).result("rate", slow, "rate")
    start_response("200 OK", TEXT)
    return [rate.encode()]


def deferred(environ, start_response):
    """An answer that takes long to make: another thread makes it."""

    def report():
        return "200 OK", TEXT, slow("report").encode()

    return euryale.deferred(report)


def stream(environ, start_response):
    """Rows that are made while they are sent. The worker is free meanwhile, however slow the client."""

    def rows():
        for number in range(5):
            time.sleep(0.1)
            yield b"row %d\n" % number

    start_response("200 OK", TEXT)
    return euryale.stream(rows())


def after(environ, start_response):
    """A call that the client does not wait for."""
    euryale.after_commit(slow, "mail")
    start_response("202 Accepted", TEXT)
    return [b"the mail will be sent\n"]


def conflict(environ, start_response):
    """Conflicts once, and is called again after a pause that holds no worker."""
    attempt, _ = environ["euryale.history"]
    if attempt == 1:
        raise euryale.Again("another request was faster")
    start_response("200 OK", TEXT)
    return [b"attempt %d\n" % attempt]


def upload(environ, start_response):
    """Gives the body a name, without a copy if it is large enough to be in a file."""
    environ["euryale.body"].persist(f"upload-{time.time_ns()}.bin")
    start_response("201 Created", TEXT)
    return [b"%d bytes\n" % len(environ["euryale.body"])]


ALL = (promises, shared, deferred, stream, after, conflict, upload)
PAGES = {f"/{page.__name__}": page for page in ALL}


def app(environ, start_response):
    """Answer one request, in a worker thread."""
    if page := PAGES.get(environ["PATH_INFO"]):
        return page(environ, start_response)
    start_response("404 Not Found", TEXT)
    return ["\n".join(PAGES).encode()]
