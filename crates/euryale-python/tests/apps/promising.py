"""An application whose pages need something slow."""

import threading

import euryale

from pages import TEXT, application, page_seen, seen, text, wait

app = application(globals())
together = threading.Barrier(3, timeout=30)


def gated(name):
    return f"{name} {wait(name)}"


def raises():
    raise ValueError("a promise raised this")


def page_gated(environ, start_response):
    """Waits for three files at a time, and reads its body in each pass."""
    promises = environ["euryale.promises"]
    body = environ["wsgi.input"].read().decode()
    seen.append("gated called")
    names = environ["QUERY_STRING"].split("+")
    for name in names:
        promises.submit(name, gated, name)
    return text(start_response, "\n".join([body, *(promises.result(name) for name in names)]))


def page_together(environ, start_response):
    """Three promises that each wait for the other two."""
    promises = environ["euryale.promises"]
    for number in range(3):
        promises.submit(f"together {number}", together.wait)
    places = sorted(promises.result(f"together {number}") for number in range(3))
    return text(start_response, places)


def page_fails(environ, start_response):
    promises = environ["euryale.promises"]
    try:
        return text(start_response, promises.result("it", raises))
    except ValueError as error:
        return text(start_response, f"{type(error).__name__}: {error}")


def page_late(environ, start_response):
    promises = environ["euryale.promises"].deadline(0.05)
    try:
        return text(start_response, promises.result("late", wait, environ["QUERY_STRING"]))
    except TimeoutError as error:
        return text(start_response, f"late: {error}")


def page_swallows(environ, start_response):
    """Catches what it must not."""
    promises = environ["euryale.promises"]
    try:
        value = promises.result("swallowed", str, 7)
    except BaseException:
        value = "swallowed"
    return text(start_response, value)


def page_placeholder(environ, start_response):
    promises = environ["euryale.promises"]
    promises.submit("never", wait, "never")
    promises.serve_placeholders()
    return text(start_response, promises.get("never", "placeholder"))


def page_unsubmitted(environ, start_response):
    try:
        environ["euryale.promises"].result("unknown")
    except LookupError as error:
        return text(start_response, error)


def page_state(environ, start_response):
    """What the calls about a key say in two passes."""
    promises = environ["euryale.promises"]
    said = [promises.has("state"), promises.is_submitted("state"), promises.get("state", "none")]
    promises.submit("state", str, 1)
    said += [promises.has("state"), promises.is_submitted("state"), promises.get("state", "none")]
    seen.append(f"state {said}")
    return text(start_response, promises.result("state"))


def page_shared(environ, start_response):
    return text(start_response, environ["euryale.promises"].shared(60).result("shared", count))


def count():
    seen.append("counted")
    return len([line for line in seen if line == "counted"])


kept = []


def page_keeps(environ, start_response):
    kept.append(environ["euryale.promises"])
    return text(start_response, "kept")


def page_kept(environ, start_response):
    try:
        kept.pop().submit("late", str, 1)
    except RuntimeError as error:
        return text(start_response, error)


def page_endless(environ, start_response):
    """Suspends in each pass."""
    raise euryale.Suspend


class Closing:
    """An iterable that suspends before its first block, and notes its ``close()``."""

    def __init__(self, promises):
        self.promises = promises
        self.blocks = self.yielded()

    def yielded(self):
        yield b""
        yield self.promises.result("block", str, 7).encode()

    def __iter__(self):
        return self.blocks

    def close(self):
        seen.append("closing closed")


def page_iterable(environ, start_response):
    start_response("200 OK", TEXT)
    return Closing(environ["euryale.promises"])
