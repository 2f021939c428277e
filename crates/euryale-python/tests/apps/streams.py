"""An application whose answers are read outside the workers, while they are sent."""

import os
import threading
import time

import euryale

from pages import TEXT, application, page_seen, seen, text, wait

app = application(globals())


def here():
    return threading.current_thread().name


class Blocks:
    """An iterable that notes where it is closed."""

    def __init__(self, blocks, name="blocks"):
        self.blocks = iter(blocks)
        self.name = name

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.blocks)

    def close(self):
        seen.append(f"{self.name} closed in {here()}")


def streamed(start_response, blocks, name="blocks", headers=()):
    start_response("200 OK", [*TEXT, *headers])
    return euryale.stream(Blocks(blocks, name))


def page_gated(environ, start_response):
    """A block, and another one once there is a file of the query's name."""
    name = environ["QUERY_STRING"]

    def blocks():
        yield f"first in {here()};".encode()
        wait(name)
        yield b"second"

    return streamed(start_response, blocks(), name)


def page_counted(environ, start_response):
    """Two long blocks with a known length, the second once there is a file of the query's name."""
    name = environ["QUERY_STRING"]

    def blocks():
        yield b"first".ljust(5000)
        wait(name)
        yield b"second".ljust(5000)

    return streamed(start_response, blocks(), name, [("Content-Length", "10000")])


def page_late(environ, start_response):
    """Starts its answer as late as in its first block."""

    def blocks():
        start_response("201 Created", TEXT)
        yield b"created"

    return euryale.stream(Blocks(blocks()))


def page_breaks(environ, start_response):
    """Raises after its first block, or before it."""

    def blocks():
        if not environ["QUERY_STRING"]:
            yield b"first"
        raise ValueError("as it should")

    return streamed(start_response, blocks())


def page_never(environ, start_response):
    """Must not be asked for a block."""

    def blocks():
        seen.append("asked for a block")
        yield b"block"

    return streamed(start_response, blocks(), headers=[("Content-Length", "5")])


def page_many(environ, start_response):
    """13 MB."""

    def blocks():
        yield from (b"x" * 65536 for _ in range(200))
        seen.append("all blocks are made")

    return streamed(start_response, blocks())


def page_endless(environ, start_response):
    def blocks():
        while True:
            time.sleep(0.005)
            yield b"data: tick\n\n"

    return streamed(start_response, blocks())


def page_hangs(environ, start_response):
    def blocks():
        yield b"first"
        time.sleep(600)

    return streamed(start_response, blocks())


def page_short(environ, start_response):
    return streamed(start_response, [b"four"], headers=[("Content-Length", "5")])


def page_long(environ, start_response):
    return streamed(start_response, [b"four", b" and more"], headers=[("Content-Length", "5")])


def page_written(environ, start_response):
    """Writes before it returns a stream."""
    start_response("200 OK", TEXT)(b"written ")
    return euryale.stream(f"in {here()}".encode() for _ in range(1))


def page_wrapped(environ, start_response):
    """Iterates over a stream, as a middleware does."""
    stream = page_gated(environ, start_response)
    try:
        yield from stream
    finally:
        stream.close()


def page_file(environ, start_response):
    """A stream that turns out to be a file."""
    start_response("200 OK", TEXT)
    return euryale.stream(environ["wsgi.file_wrapper"](open(__file__, "rb")))


def page_twice(environ, start_response):
    """Returns one stream to two requests."""
    start_response("200 OK", TEXT)
    return once


once = euryale.stream(Blocks([b"once"]))


def page_promise(environ, start_response):
    return text(start_response, environ["euryale.promises"].result("it", here))


def page_after(environ, start_response):
    """Its transaction has an end before its blocks: what belongs to the call is gone."""
    promises = environ["euryale.promises"]

    def blocks():
        for use in (lambda: promises.has("it"), lambda: euryale.after_commit(print)):
            try:
                use()
            except RuntimeError as error:
                yield f"{error}\n".encode()

    return streamed(start_response, blocks())


def page_size(environ, start_response):
    """The size of this program."""
    return text(start_response, os.stat(__file__).st_size)
