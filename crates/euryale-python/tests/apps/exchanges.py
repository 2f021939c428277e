"""Applications that do what PEP 3333 allows and forbids, one a path."""

import io
import json
import sys

TEXT = [("Content-Type", "text/plain")]
closed = []


class Blocks:
    """An iterable that notes its ``close()``."""

    def __init__(self, blocks, name, raises=False):
        self.blocks = list(blocks)
        self.name = name
        self.raises = raises

    def __iter__(self):
        return self

    def __next__(self):
        if self.blocks:
            return self.blocks.pop(0)
        if self.raises:
            raise RuntimeError("boom")
        raise StopIteration

    def close(self):
        closed.append(self.name)


def app(environ, start_response):
    return globals()["page_" + environ["PATH_INFO"].strip("/")](environ, start_response)


def checked():
    """The same application between wsgiref's eyes."""
    from wsgiref.validate import validator

    return validator(app)


def page_late(environ, start_response):
    def blocks():
        start_response("201 Created", TEXT)
        yield b"late"

    return blocks()


def page_write(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"one ")
    return [b"two"]


def page_excinfo(environ, start_response):
    start_response("200 OK", [*TEXT, ("X-First", "1")])
    try:
        raise ValueError
    except ValueError:
        start_response("500 Oops", [*TEXT, ("X-Second", "1")], sys.exc_info())
    return [b"replaced"]


def page_reraise(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"sent")
    try:
        raise LookupError("after the first block")
    except LookupError:
        try:
            start_response("500 Oops", TEXT, sys.exc_info())
        except LookupError:
            return [b" and raised again"]
    return [b" and replaced"]


def page_close(environ, start_response):
    start_response("200 OK", TEXT)
    return Blocks([b"a", b"b"], "close")


def page_closeraises(environ, start_response):
    start_response("200 OK", TEXT)

    class Raising(Blocks):
        def close(self):
            super().close()
            raise RuntimeError("close raised this")

    return Raising([b"ab"], "closeraises")


def page_breaks(environ, start_response):
    start_response("200 OK", TEXT)
    return Blocks([b"a" * 10], "breaks", raises=True)


def page_closed(environ, start_response):
    start_response("200 OK", TEXT)
    return [json.dumps(closed).encode()]


def page_long(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", "3")])
    return Blocks([b"abcdef"], "long")


def page_short(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", "10")])
    return Blocks([b"abc"], "short")


def page_environ(environ, start_response):
    start_response("200 OK", TEXT)
    text = {key: value for key, value in environ.items() if isinstance(value, (str, bool))}
    assert type(environ) is dict
    return [json.dumps(text).encode()]


def page_lines(environ, start_response):
    body = environ["wsgi.input"]
    lines = [body.readline(), body.readline(2), body.read(1), *body]
    start_response("200 OK", TEXT)
    return [json.dumps([line.decode() for line in lines]).encode()]


def page_read(environ, start_response):
    body = environ["wsgi.input"].read()
    rest = environ["wsgi.input"].read()
    start_response("200 OK", TEXT)
    return [f"{len(body)} {len(rest)} {environ.get('CONTENT_LENGTH')}".encode()]


def page_raises(environ, start_response):
    raise RuntimeError("an application raised this")


def page_wrapped(environ, start_response):
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](io.BytesIO(b"x" * 100_000))


def page_reason(environ, start_response):
    start_response("299 Very Special", TEXT)
    return [b"r"]


def page_twice(environ, start_response):
    start_response("200 OK", TEXT)
    start_response("200 OK", TEXT)
    return [b"x"]


def page_hop(environ, start_response):
    start_response("200 OK", [*TEXT, ("Connection", "close")])
    return [b"x"]


def page_text(environ, start_response):
    start_response("200 OK", TEXT)
    return ["not bytes"]


def page_head(environ, start_response):
    length = [("Content-Length", "12345")] if environ["REQUEST_METHOD"] == "HEAD" else []
    start_response("200 OK", [*TEXT, *length, ("X-Method", environ["REQUEST_METHOD"])])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [b"12345"]


def page_none(environ, start_response):
    return [b"no head"]


def page_kept(environ, start_response):
    global kept
    kept = start_response("200 OK", TEXT)
    return [b"kept"]


def page_afterwards(environ, start_response):
    start_response("200 OK", TEXT)
    try:
        kept(b"into somebody else's answer")
    except AssertionError as error:
        return [str(error).encode()]
    return [b"it was taken"]
