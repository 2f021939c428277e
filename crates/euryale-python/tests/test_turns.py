"""Workers take turns in computing, and do not contend for the GIL."""

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
    with ThreadPoolExecutor(8) as clients:
        stop = False

        def keep_asking() -> None:
            while not stop:
                server.ask("/short")

        asking = [clients.submit(keep_asking) for _ in range(8)]

        def crowded() -> int:
            """Of 20 looks, how many saw more than one call."""
            return sum(server.metric("euryale_publishers_running") > 1 for _ in range(20))

        # A busy machine may keep a call from the processor for so long that another one is let in.
        if are_on:
            until(lambda: crowded() < 5, "calls run one after the other")
        else:
            until(lambda: crowded() > 15, "calls contend for the GIL")
        stop = True
        for one in asking:
            one.result()
    assert server.stop() == 0


@pytest.mark.parametrize("path", ["/nap", "/naps"])
def test_calls_that_wait_run_beside_each_other(turns, path):
    """Once for long, and often for a short time."""
    server = turns(8)
    alone = min(seconds(lambda: server.ask(path)) for _ in range(3))

    def together() -> float:
        with ThreadPoolExecutor(8) as clients:
            return seconds(lambda: list(clients.map(server.ask, [path] * 8)))

    # One after the other takes 8 times as long.
    until(lambda: together() < 3 * alone, "they wait at the same time")
    assert server.stop() == 0


def test_operators_see_whether_threads_take_turns(turns):
    assert "taken in turns" in turns(2).operators("/status").text
    off = turns(2, "off").operators("/status").text
    assert "contended for: gil_turns is off" in off


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
        # It is let in after 5 ms, and has the GIL when the interpreter switches.
        assert min(seconds(server.ask) for _ in range(3)) < 0.5
        assert re.fullmatch(r"up ready \d+% maxconn:\d+", server.agent_check())
        server.ask("/open")
        assert long.result().text == "waited"
    assert server.stop() == 0
