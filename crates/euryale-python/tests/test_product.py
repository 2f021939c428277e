"""Each event at each step of a request: nothing is left over, and iterables are closed once."""

import http.client

import pytest

from conftest import quiet, until

EVENTS = ("submit", "conflict", "error", "timeout", "disconnect")
STEPS = ("pass1", "promises", "pass2", "streaming")

#: The status of each answer, at each step. 0 is an answer that breaks off.
STATUSES = {
    # A promise of the second pass that nothing waits for is noticed after the first block.
    "submit": (200, 500, 0, 0),
    "conflict": (200, 500, 200, 0),
    "error": (500, 500, 500, 0),
    "timeout": (500, 500, 500, 0),
}

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
    return euryale("product:app", "--threads", "2", "--early-answers", "on")


def exchanged(server, query):
    """Ask, and return the status of the answer: 0 if it breaks off."""
    try:
        return server.ask(f"/?{query}", "POST", b"body").status
    except (http.client.IncompleteRead, ConnectionError):
        return 0


def reached(server, query):
    until(lambda: query in server.ask("/reached").text.split("\n"), "it has come to its step")


def left(server, query):
    """Ask, and leave at the step of the query."""
    with server.connect() as peer:
        peer.sendall(f"POST /?{query} HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody".encode())
        reached(server, query)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("event", EVENTS)
def test_nothing_is_left_over(product, event, step):
    query = f"{event}+{step}"
    if event == "disconnect":
        left(product, query)
    else:
        assert exchanged(product, query) == STATUSES[event][STEPS.index(step)]
        reached(product, query)
    # What still waits for it ends now.
    product.open(query)
    quiet(product, *FILES)
    closes = product.ask("/closes").text.split()
    assert closes == ["1"] * len(closes), "each iterable is closed once"
    assert closes
    quiet(product, *FILES)
    assert product.stop() == 0
