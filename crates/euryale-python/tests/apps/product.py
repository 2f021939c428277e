"""An application that does what the query says, when it says so: `/?error+streaming`."""

import os
import time

import euryale

TEXT = [("Content-Type", "text/plain")]

#: How many iterables were made and closed.
made = []
closed = []
#: The requests that have come to the step of the query.
reached = []


def wait(name):
    """Wait until there is a file of this name."""
    while not os.path.exists(name):
        time.sleep(0.01)


class Blocks:
    def __init__(self, blocks):
        made.append(1)
        self.blocks = blocks

    def __iter__(self):
        return self.blocks

    def close(self):
        closed.append(1)


def app(environ, start_response):
    if environ["PATH_INFO"] == "/counts":
        start_response("200 OK", TEXT)
        return [f"{len(made)} {len(closed)} {' '.join(reached)}".encode()]
    start_response("200 OK", TEXT)
    return Blocks(blocks(environ))


def blocks(environ):
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
            if name == "promises":
                wait("never")
            promises.deadline(0.02).result("late", wait, "never")
        elif what == "disconnect":
            wait(query)

    if not promises.has("first"):
        step("pass1")
    terms = promises.deadline(0.1) if query == "timeout+promises" else promises
    terms.result("first", step, "promises")
    step("pass2")
    yield b"first "
    step("streaming")
    yield b"second"
