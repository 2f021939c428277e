"""Workers take turns in running Python code, and do not contend for the GIL."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import Served, until


def working(server: Served, count: int) -> None:
    until(lambda: server.metric("euryale_publishers_running") == count, f"{count} are at work")


def seconds(ask) -> float:
    began = time.monotonic()
    ask()
    return time.monotonic() - began


@pytest.fixture
def turns(euryale):
    """`turns:app` with as many threads, which take turns."""

    def start(threads: int, gil_turns: str = "on") -> Served:
        return euryale("turns:app", "--threads", str(threads), "--gil-turns", gil_turns)

    return start


@pytest.mark.parametrize("path", ["/sleep", "/event", "/socket", "/process", "/compress"])
def test_a_worker_that_waits_or_needs_no_gil_lets_the_next_one_in(turns, path):
    server = turns(2)
    with ThreadPoolExecutor(1) as clients:
        waits = clients.submit(server.ask, path)
        working(server, 1)
        # The least of several: the machine may have other work.
        assert min(seconds(server.ask) for _ in range(5)) < 0.05
        assert not waits.done()
        server.ask("/open")
        assert waits.result().text == "waited"
    assert server.stop() == 0


@pytest.mark.parametrize("are_on", [True, False])
def test_calls_that_compute_run_one_after_the_other(turns, are_on):
    server = turns(4, "on" if are_on else "off")

    def overlaps() -> int:
        """Of 80 calls, how many were not alone."""
        with ThreadPoolExecutor(8) as clients:
            answers = list(clients.map(lambda _: server.ask("/burn").text, range(80)))
        return sum(answer != "alone" for answer in answers)

    # A busy machine may keep a call from the processor for so long that another one is let in.
    if are_on:
        until(lambda: overlaps() < 8, "calls run one after the other")
    else:
        until(lambda: overlaps() > 40, "calls overlap")
    assert server.stop() == 0


@pytest.mark.parametrize("path", ["/spin", "/event", "/condition", "/nested"])
def test_a_call_that_waits_for_another_request_is_no_deadlock(turns, path):
    """One in a loop that never lets go of the GIL by itself, and others by locks and threads."""
    server = turns(2)
    with ThreadPoolExecutor(1) as clients:
        waits = clients.submit(server.ask, path)
        working(server, 1)
        assert server.ask("/open").text == "open"
        assert waits.result().text == "waited"
    assert server.stop() == 0


def test_workers_that_hold_a_lock_and_wait_for_each_other_make_progress(turns):
    """Each call takes the lock, and sleeps in it; the others wait for the lock with a job."""
    server = turns(4)
    with ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(lambda _: server.ask("/locked").text, range(200)))
    assert set(answers) == {"locked"}
    assert server.stop() == 0


def test_a_call_that_sleeps_often_has_its_turns_beside_calls_that_compute(turns):
    """Whoever comes back from a sleep goes before the next request."""
    server = turns(2)
    alone = min(seconds(lambda: server.ask("/steps")) for _ in range(3))
    with ThreadPoolExecutor(9) as clients:
        stop = False

        def keep_asking() -> None:
            while not stop:
                server.ask("/short")

        asking = [clients.submit(keep_asking) for _ in range(8)]
        working(server, 1)
        beside = min(seconds(lambda: server.ask("/steps")) for _ in range(3))
        stop = True
        for one in asking:
            one.result()
    # Each of its 50 steps waits for one call of 2 ms at most, and for the look of a waiting worker.
    assert beside < alone + 50 * 0.02
    assert server.stop() == 0


def test_a_long_call_shares_the_gil(turns):
    server = turns(2)
    with ThreadPoolExecutor(1) as clients:
        long = clients.submit(server.ask, "/spin")
        working(server, 1)
        # It is let in after 0.1 s, and has the GIL when the interpreter switches.
        assert min(seconds(server.ask) for _ in range(3)) < 0.5
        assert re.fullmatch(r"up ready \d+% maxconn:\d+", server.agent_check())
        server.ask("/open")
        assert long.result().text == "waited"
    assert server.stop() == 0
