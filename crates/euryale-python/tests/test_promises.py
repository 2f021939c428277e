"""Promises: calls outside the workers, and applications that are called again."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

import pytest

from conftest import quiet, until


RUNNING = 'euryale_lane_running{lane="python"}'
WAITING = 'euryale_lane_waiting{lane="python"}'


@pytest.fixture
def promising(euryale):
    return partial(euryale, "promising:app", "--threads", "1")


def test_suspended_requests_hold_no_worker_and_keep_their_body(promising):
    server = promising()
    with ThreadPoolExecutor(8) as clients:
        asked = [
            clients.submit(server.ask, "/gated?one+two+three", "POST", f"body {number}".encode())
            for number in range(8)
        ]
        until(lambda: server.metric("euryale_requests_suspended") == 8, "all are suspended")
        # The only worker is free.
        assert server.ask("/seen").text.count("gated called") == 8
        server.open("one", "two", "three")
        for number, answer in enumerate(asked):
            body, *results = answer.result().text.split("\n")
            assert body == f"body {number}"
            assert [result.split()[0] for result in results] == ["one", "two", "three"]
            assert all(result.split()[1].startswith("euryale-lane-") for result in results)
    assert server.ask("/seen").text.count("gated called") == 16
    quiet(server)


def test_promises_of_a_page_run_at_the_same_time(promising):
    server = promising()
    answer = server.ask("/together")
    assert answer.text == "[0, 1, 2]"
    assert answer.headers["Server-Timing"].count("python;dur=") == 3


def test_promises_cost_little_time(promising):
    server = promising()
    with ThreadPoolExecutor(1) as clients:
        asked = clients.submit(server.ask, "/gated?one+two+three")
        until(lambda: server.metric(RUNNING) == 3, "all of them run")
        began = time.monotonic()
        server.open("one", "two", "three")
        assert asked.result().text.count("euryale-lane-") == 3
        # About 10 ms on an idle machine.
        assert time.monotonic() - began < 1.4
    quiet(server)


def test_a_hundred_promises_run_beside_one_worker(promising):
    server = promising()
    began = time.monotonic()
    with ThreadPoolExecutor(100) as clients:
        asked = [clients.submit(server.ask, "/gated?open") for _ in range(100)]
        until(lambda: server.metric(RUNNING) == 100, "all of them run")
        server.open("open")
        answers = [answer.result() for answer in asked]
    assert all(answer.text.startswith("\nopen euryale-lane-") for answer in answers)
    assert time.monotonic() - began < 10
    quiet(server)


def test_lane_has_a_bound(promising):
    server = promising("--lane-threads", "2")
    with ThreadPoolExecutor(4) as clients:
        asked = [clients.submit(server.ask, "/gated?open") for _ in range(4)]
        until(lambda: server.metric(WAITING) == 2, "two wait for a thread")
        server.open("open")
        assert all(answer.result().status == 200 for answer in asked)
    assert server.ask("/seen").text.count("gated called") == 8
    quiet(server)


def test_exception_of_a_promise_is_raised_in_the_next_pass(promising):
    server = promising()
    assert server.ask("/fails").text == "ValueError: a promise raised this"
    assert "ValueError: a promise raised this" in server.log


def test_late_promise_is_a_timeout(promising):
    server = promising()
    assert server.ask("/late?open").text == "late: a promise was not resolved in time"
    server.open("open")
    quiet(server)


def test_swallowed_suspension_is_no_answer(promising):
    assert promising().ask("/swallows").text == "7"


def test_placeholders_are_the_answer_if_the_application_says_so(promising):
    server = promising()
    assert server.ask("/placeholder").text == "placeholder"
    assert server.metric("euryale_promise_passes_total") == 0


def test_unknown_key_is_named(promising):
    assert promising().ask("/unsubmitted").text == 'no promise was submitted as "unknown"'


def test_keys_have_a_state(promising):
    server = promising()
    assert server.ask("/state").text == "1"
    assert server.ask("/seen").text.split("\n") == [
        "state [False, False, 'none', False, True, 'none']",
        "state [True, False, '1', True, False, '1']",
    ]


def test_shared_promise_is_resolved_once(promising):
    server = promising()
    assert [server.ask("/shared").text for _ in range(3)] == ["1", "1", "1"]
    assert server.metric("euryale_promise_passes_total") == 1


def test_promises_end_with_the_call(promising):
    server = promising()
    server.ask("/keeps")
    assert server.ask("/kept").text == "the call of the application has ended"


def test_passes_are_limited(promising):
    assert promising().ask("/endless").status == 508


def test_iterable_that_suspends_is_closed_once_in_each_pass(promising):
    server = promising()
    assert server.ask("/iterable").text == "7"
    assert server.ask("/seen").text.count("closing closed") == 2


def test_promise_of_a_client_that_is_gone_never_begins(promising):
    server = promising("--lane-threads", "1")
    with ThreadPoolExecutor(1) as clients:
        first = clients.submit(server.ask, "/gated?open")
        until(lambda: server.metric("euryale_requests_suspended") == 1, "the lane is busy")
        with server.connect() as peer:
            peer.sendall(b"GET /gated?other HTTP/1.1\r\nHost: h\r\n\r\n")
            until(lambda: server.metric("euryale_requests_suspended") == 2, "it waits")
        until(lambda: server.metric("euryale_requests_suspended") == 1, "it is gone")
        server.open("open")
        assert first.result().status == 200
    # The other promise would wait for a file that never exists.
    assert server.stop() == 0


def test_promises_of_clients_that_are_gone_leave_the_queue(promising):
    server = promising("--lane-threads", "1")
    with ThreadPoolExecutor(1) as clients:
        first = clients.submit(server.ask, "/gated?open")
        until(lambda: server.metric(RUNNING) == 1, "the only thread is busy")
        with ExitStack() as peers:
            for _ in range(20):
                peer = peers.enter_context(server.connect())
                peer.sendall(b"GET /gated?other HTTP/1.1\r\nHost: h\r\n\r\n")
            until(lambda: server.metric(WAITING) == 20, "all others wait")
        until(lambda: server.metric(WAITING) == 0, "the queue is empty")
        assert server.metric(RUNNING) == 1
        server.open("open")
        assert first.result().status == 200
    quiet(server)


def test_drain_waits_for_promises(promising):
    server = promising()
    with ThreadPoolExecutor(1) as clients:
        asked = clients.submit(server.ask, "/gated?open")
        until(lambda: server.metric("euryale_requests_suspended") == 1, "it is suspended")
        server.send(15)
        until(lambda: server.operators("/readyz").status == 503, "it drains")
        server.open("open")
        assert asked.result().text.split("\n")[1].startswith("open ")
    assert server.wait() == 0
