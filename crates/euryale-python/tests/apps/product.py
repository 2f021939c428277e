"""An application that does what the query says, when it says so: `/?error+streaming`.

Below `/stream`, its blocks are made outside the workers.
"""

import euryale

from pages import TEXT, text, wait

#: All iterables.
made = []
#: The requests that have come to the step of the query.
reached = []


class Blocks:
    """An iterable that counts its ``close()``."""

    def __init__(self, blocks):
        self.closes = 0
        self.blocks = blocks
        made.append(self)

    def __iter__(self):
        return self.blocks

    def close(self):
        self.closes += 1


def app(environ, start_response):
    if environ["PATH_INFO"] == "/reached":
        return text(start_response, "\n".join(reached))
    if environ["PATH_INFO"] == "/closes":
        return text(start_response, " ".join(str(blocks.closes) for blocks in made))
    start_response("200 OK", TEXT)
    step = stepper(environ)
    if environ["PATH_INFO"] == "/stream":
        call(environ, step)
        return euryale.stream(Blocks(stream(step)))
    return Blocks(early(environ, step))


def stepper(environ):
    query = environ["QUERY_STRING"]
    what, when = query.split("+")
    promises = environ["euryale.promises"]
    attempt, _ = environ["euryale.history"]

    def step(name):
        if name != when:
            return
        reached.append(query)
        if what == "submit":
            promises.submit("more", str, 1)
        elif what == "conflict" and attempt == 1:
            raise euryale.Again("somebody was faster")
        elif what == "error":
            raise ValueError("as the query says")
        elif what == "timeout":
            is_late_block = name == "block1" and environ["PATH_INFO"] == "/stream"
            if name == "promises" or is_late_block:
                wait(query)
            promises.deadline(0.02).result("late", wait, query)
        elif what == "disconnect":
            wait(query)

    return step


def call(environ, step):
    """The steps of the call itself."""
    promises = environ["euryale.promises"]
    if not promises.has("first"):
        step("pass1")
    terms = promises
    if environ["QUERY_STRING"] == "timeout+promises":
        terms = promises.deadline(0.1)
    terms.result("first", step, "promises")
    step("pass2")


def stream(step):
    step("block1")
    yield b"first "
    step("streaming")
    yield b"second"


def early(environ, step):
    """All steps in the worker, which answers early."""
    call(environ, step)
    yield from stream(step)
