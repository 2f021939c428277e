"""Calls that conflict with each other, and ask for another attempt."""

import threading
import time

import euryale

from pages import TEXT, text

value = 0
lock = threading.Lock()
calls = {}


class Conflict(Exception):
    pass


def app(environ, start_response):
    try:
        page = globals()["page_" + environ["PATH_INFO"].strip("/")]
        return page(environ, start_response)
    except Exception:
        # `Again` is not one.
        start_response("418 I'm a teapot", TEXT)
        return [b"caught"]


def called(environ):
    """The number of this call of the same request."""
    key = environ["PATH_INFO"], environ["QUERY_STRING"]
    with lock:
        calls[key] = calls.get(key, 0) + 1
        return calls[key]


def page_count(environ, start_response):
    """Adds one, unless another call has done so meanwhile."""
    global value
    seen = value
    time.sleep(0.002)
    with lock:
        if value != seen:
            raise euryale.Again
        value = seen + 1
    return text(start_response, seen + 1)


def page_value(environ, start_response):
    return text(start_response, value)


def page_thrice(environ, start_response):
    """Meets three conflicts, and then answers with its body."""
    body = environ["wsgi.input"].read()
    if called(environ) <= 3:
        try:
            raise Conflict("another transaction won")
        except Conflict as conflict:
            raise euryale.Again from conflict
    return text(start_response, body.decode())


def page_always(environ, start_response):
    called(environ)
    try:
        raise Conflict("another transaction won")
    except Conflict as conflict:
        raise euryale.Again from conflict


def page_late(environ, start_response):
    """Meets a conflict after its first block."""
    called(environ)
    start_response("200 OK", TEXT)
    yield b"first"
    raise euryale.Again


def page_calls(environ, start_response):
    return text(start_response, sum(calls.values()))


class Noted:
    """An iterable that counts itself, and its ``close()``."""

    made = closed = 0

    def __init__(self, blocks):
        Noted.made += 1
        self.blocks = blocks

    def __iter__(self):
        return iter(self.blocks)

    def close(self):
        Noted.closed += 1


promised = 0


def promise():
    global promised
    promised += 1
    return "promised"


def page_passes(environ, start_response):
    """Meets a conflict once, or raises: before its promise, after it, or in its iterable."""
    what, place = environ["QUERY_STRING"].split("+")
    number = called(environ)

    def end(here):
        if place != here:
            return
        if what == "error":
            raise BaseException("an error")
        # The first pass ends at the promise, unless the conflict is before it.
        if number == (1 if here == "before" else 2):
            raise euryale.Again

    def blocks():
        end("iterable")
        yield value.encode()

    end("before")
    value = environ["euryale.promises"].result("key", promise)
    end("after")
    start_response("200 OK", TEXT)
    return Noted(blocks())


def page_passed(environ, start_response):
    return text(start_response, f"{promised} {Noted.made} {Noted.closed}")
