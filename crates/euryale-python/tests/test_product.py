"""Each event at each step of a request: nothing is left over, and iterables are closed once."""

import pytest

from conftest import until

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

GAUGES = (
    "euryale_requests_suspended",
    "euryale_promises_running",
    "euryale_early_answers_sending",
    "euryale_early_answers_files",
)


@pytest.fixture
def product(euryale):
    return euryale("product:app", "--threads", "2", "--early-answers", "on")


def exchanged(server, query, leaves):
    """Ask, and leave before the answer, or return its status: 0 if it breaks off."""
    with server.connect() as peer:
        peer.sendall(f"POST /?{query} HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody".encode())
        if leaves:
            until(lambda: query in server.ask("/counts").text, "it has come to its step")
            return None
        got = b""
        while not got.endswith((b"0\r\n\r\n", b"Error\n")) and (more := peer.recv(65536)):
            got += more
    return int(got[9:12]) if got.endswith((b"0\r\n\r\n", b"Error\n")) else 0


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("event", EVENTS)
def test_nothing_is_left_over(product, event, step):
    query = f"{event}+{step}"
    leaves = event == "disconnect"
    status = exchanged(product, query, leaves)
    if leaves:
        product.open(query)
    else:
        assert status == STATUSES[event][STEPS.index(step)]

    def is_quiet():
        made, closed, *_ = product.ask("/counts").text.split()
        return made == closed and all(product.metric(gauge) == 0 for gauge in GAUGES)

    until(is_quiet, "all gauges are zero, and each iterable is closed")
