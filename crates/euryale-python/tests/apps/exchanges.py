"""Applications that do what PEP 3333 allows and forbids, one a path."""

import io
import json
import os
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
    name = environ["PATH_INFO"].split("/")[1]
    return globals()[f"page_{name}"](environ, start_response)


def checked():
    """The same application between wsgiref's eyes."""
    from wsgiref.validate import validator

    return validator(app)


def page_reads(environ, start_response):
    """The body, read in the ways that the standard names."""
    way = environ["QUERY_STRING"]
    body = environ["wsgi.input"]
    found = {
        "read": lambda: [body.read(100_000), body.read(1)],
        "parts": lambda: [body.read(2), body.read(3), body.read(100)],
        "readline": lambda: [body.readline(), body.readline(), body.readline()],
        "readlines": lambda: body.readlines(),
        "hint": lambda: body.readlines(1)[:1],
        "iteration": lambda: list(body),
    }[way]()
    start_response("200 OK", TEXT)
    return [json.dumps([line.decode() for line in found]).encode()]


def page_ignores(environ, start_response):
    """Answers without a look at the body."""
    start_response("200 OK", TEXT)
    return [b"ignored"]


def page_list(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"a", b"", b"b"]


def page_tuple(environ, start_response):
    start_response("200 OK", TEXT)
    return (b"a", b"b")


def page_generator(environ, start_response):
    start_response("200 OK", TEXT)
    return (block for block in [b"", b"a", b"b"])


def page_empty(environ, start_response):
    start_response("200 OK", TEXT)
    return []


def page_plainstatus(environ, start_response):
    start_response("200 ", TEXT)
    return [b"x"]


def page_nocontent(environ, start_response):
    start_response("204 No Content", [])
    return []


def page_notmodified(environ, start_response):
    start_response("304 Not Modified", [("ETag", '"a"')])
    return []


def page_cookies(environ, start_response):
    start_response("200 OK", [*TEXT, ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    return [b"x"]


def page_latin(environ, start_response):
    start_response("200 OK", [*TEXT, ("X-Latin", "caf\xe9")])
    return [b"x"]


def page_offset(environ, start_response):
    """A file from its position on, as long as the head says."""
    file = open(__file__, "rb")
    file.seek(3)
    start_response("200 OK", [*TEXT, ("Content-Length", "12")])
    return environ["wsgi.file_wrapper"](file)


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


def page_null(environ, start_response):
    start_response("200 OK", TEXT)
    return None


def page_number(environ, start_response):
    start_response("200 OK", TEXT)
    return 7


def page_badstatus(environ, start_response):
    start_response("OK", TEXT)
    return [b"x"]


def page_numberstatus(environ, start_response):
    start_response(200, TEXT)
    return [b"x"]


def page_bytesvalue(environ, start_response):
    start_response("200 OK", [("Content-Type", b"text/plain")])
    return [b"x"]


def page_numbervalue(environ, start_response):
    start_response("200 OK", [*TEXT, ("X-Number", 7)])
    return [b"x"]


def page_newline(environ, start_response):
    start_response("200 OK", [*TEXT, ("X-A", "a\r\nX-B: b")])
    return [b"x"]


def page_snowman(environ, start_response):
    start_response("200 OK", [*TEXT, ("X-A", "\u2603")])
    return [b"x"]


def page_twolengths(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", "1"), ("Content-Length", "2")])
    return [b"x"]


def page_dictheaders(environ, start_response):
    start_response("200 OK", dict(TEXT))
    return [b"x"]


def page_exits(environ, start_response):
    sys.exit("an application called sys.exit")


def page_interrupts(environ, start_response):
    raise KeyboardInterrupt("an application raised this")


def page_recurses(environ, start_response):
    return page_recurses(environ, start_response)


def page_ends(environ, start_response):
    os._exit(17)


def page_pid(environ, start_response):
    start_response("200 OK", TEXT)
    return [str(os.getpid()).encode()]


def parent(child, start_response):
    _, status = os.waitpid(child, 0)
    start_response("200 OK", TEXT)
    return [f"the child ended with {os.waitstatus_to_exitcode(status)}".encode()]


def page_fork(environ, start_response):
    """A forked child that goes on as if it were the worker, in the way of the query."""
    way = environ["QUERY_STRING"]
    if child := os.fork():
        return parent(child, start_response)
    if way == "raises":
        raise RuntimeError("raised in the child")
    if way == "exits":
        sys.exit(3)
    start_response("200 OK", TEXT)
    return [b"from the child"]


def page_forklate(environ, start_response):
    """The same in the iterable, after a block."""
    yield from ()
    child = os.fork()
    if child:
        yield parent(child, start_response)[0]
        return
    start_response("200 OK", TEXT)
    yield b"from the child"
