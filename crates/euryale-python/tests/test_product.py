"""Each event at each step of a request: nothing is left over, and iterables are closed once."""

import http.client
from functools import partial

import pytest

from conftest import quiet, until

EVENTS = ("submit", "conflict", "error", "timeout", "disconnect")
STEPS = ("pass1", "promises", "pass2", "block1", "streaming")

#: The status of each answer at each step, if its worker answers early. 0 is an answer that breaks
#: off.
EARLY = {
    # A promise of the second pass that nothing waits for is noticed after the first block.
    "submit": (200, 500, 0, 0, 0),
    "conflict": (200, 500, 200, 200, 0),
    "error": (500, 500, 500, 500, 0),
    "timeout": (500, 500, 500, 500, 0),
}

#: The same if its blocks are made outside the workers, where there are neither promises nor other
#: attempts.
STREAM = {
    # A promise of the second pass that nothing waits for makes a third one.
    "submit": (200, 500, 200, 500, 0),
    "conflict": (200, 500, 200, 500, 0),
    "error": (500, 500, 500, 500, 0),
    "timeout": (500, 500, 500, 504, 0),
}

STATUSES = {"/": EARLY, "/stream": STREAM}

FILES = (
    "euryale_early_answers_sending",
    "euryale_early_answers_files",
    "euryale_early_answers_file_bytes",
    "euryale_spool_files",
    "euryale_spool_file_bytes",
    "euryale_wsgi_files",
    "euryale_wsgi_file_bytes",
    "euryale_wsgi_memory_bytes",
)


@pytest.fixture
def product(euryale):
    return partial(euryale, "product:app", "--threads", "2", "--early-answers", "on")


def exchanged(server, target):
    """Ask, and return the status of the answer: 0 if it breaks off."""
    try:
        return server.ask(target, "POST", b"body").status
    except (http.client.IncompleteRead, ConnectionError):
        return 0


def reached(server, query):
    until(lambda: query in server.ask("/reached").text.split("\n"), "it has come to its step")


def left(server, path, query):
    """Ask, and leave at the step of the query."""
    with server.connect() as peer:
        head = f"POST {path}?{query} HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n"
        peer.sendall(head.encode() + b"body")
        reached(server, query)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("path", STATUSES)
def test_nothing_is_left_over(product, path, event, step):
    query = f"{event}+{step}"
    is_late = (path, query) == ("/stream", "timeout+block1")
    server = product(*["--lane-timeout", "500ms"] * is_late)
    if event == "disconnect":
        left(server, path, query)
    else:
        status = STATUSES[path][event][STEPS.index(step)]
        assert exchanged(server, f"{path}?{query}") == status
        reached(server, query)
    # What still waits for it ends now.
    server.open(query)
    quiet(server, *FILES)
    closes = server.ask("/closes").text.split()
    assert closes == ["1"] * len(closes), "each iterable is closed once"
    # A call that raises has returned no iterable.
    assert closes or (path == "/stream" and step not in ("block1", "streaming"))
    quiet(server, *FILES)
    assert server.stop() == 0
