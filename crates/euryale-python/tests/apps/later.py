"""An application whose answers and calls come later."""

import os
import threading

import euryale

from pages import TEXT, application, page_seen, seen, text, wait

app = application(globals())


def report(name):
    return "201 Created", TEXT, f"{name} in {wait(name)}".encode()


def page_report(environ, start_response):
    return euryale.deferred(report, environ["QUERY_STRING"])


class Blocks:
    """An iterable that notes its ``close()``."""

    def __init__(self, *blocks):
        self.blocks = iter(blocks)

    def __iter__(self):
        return self

    def __next__(self):
        block = next(self.blocks)
        if isinstance(block, Exception):
            raise block
        return block

    def close(self):
        seen.append("closed in " + threading.current_thread().name)


def page_blocks(environ, start_response):
    return euryale.deferred(lambda: ("200 OK", TEXT, Blocks(b"one ", b"two")))


def page_breaks(environ, start_response):
    return euryale.deferred(lambda: ("200 OK", TEXT, Blocks(b"one ", ValueError("broken"))))


def page_raises(environ, start_response):
    return euryale.deferred(int, "not a number")


def page_wrong(environ, start_response):
    return euryale.deferred(str, "not a tuple")


class FailsToClose(list):
    """Blocks whose ``close()`` raises."""

    def close(self):
        raise ValueError("in close()")


def page_closes(environ, start_response):
    return euryale.deferred(lambda: ("200 OK", TEXT, FailsToClose([b"one"])))


def page_after(environ, start_response):
    name = environ["QUERY_STRING"]
    euryale.after_commit(lambda: (wait(name), seen.append(f"after {name}")))
    return text(start_response, "answered")


def page_never(environ, start_response):
    euryale.after_commit(seen.append, "after an exception")
    raise ValueError("so nothing follows")


def page_passes(environ, start_response):
    """Suspends once, and registers a call in both passes."""
    _, number = environ["euryale.history"]
    euryale.after_commit(seen.append, f"after pass {number}")
    return text(start_response, environ["euryale.promises"].result("it", str, 7))


def page_fails(environ, start_response):
    euryale.after_commit(int, "not a number")
    return text(start_response, "answered")


def page_full(environ, start_response):
    """Registers more calls than may wait."""
    for _ in range(2000):
        euryale.after_commit(seen.append, "too many")


released = threading.Event()


def page_crowd(environ, start_response):
    """Registers as many calls as the query says, which all wait for the next page."""

    def in_crowd():
        released.wait()
        seen.append("out of the crowd")

    for _ in range(int(environ["QUERY_STRING"])):
        euryale.after_commit(in_crowd)
    return text(start_response, "answered")


def page_release(environ, start_response):
    released.set()
    return text(start_response, "released")


def page_again(environ, start_response):
    """Conflicts as often as the query says, and then says how often it was called."""
    attempt, number = environ["euryale.history"]
    seen.append(f"attempt {attempt}")
    if attempt <= int(environ["QUERY_STRING"]):
        raise euryale.Again("somebody else was faster")
    return text(start_response, f"attempt {attempt}, pass {number}")


def page_keep(environ, start_response):
    """Gives its body a name, and says where its bytes were."""
    body = environ["euryale.body"]
    body.persist("kept.bin")
    try:
        own = os.fstat(body.fileno())
        linked = os.path.samestat(own, os.stat("kept.bin"))
    except OSError as error:
        linked = str(error)
    return text(start_response, f"{len(body)} {linked}")


def page_keeptwice(environ, start_response):
    body = environ["euryale.body"]
    body.persist("twice.bin")
    try:
        body.persist("twice.bin")
    except FileExistsError:
        body.take_back("twice.bin")
        body.persist("twice.bin")
        body.take_back("twice.bin")
    return text(start_response, "taken back")


def outside():
    try:
        euryale.after_commit(print)
    except RuntimeError as error:
        return str(error)


def page_outside(environ, start_response):
    return text(start_response, environ["euryale.promises"].result("outside", outside))
