"""Deferred answers, calls after a commit, conflicts, and bodies that are kept."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

import pytest

from conftest import quiet, until


RUNNING = 'euryale_lane_running{lane="python"}'
WAITING = 'euryale_lane_waiting{lane="python"}'


@pytest.fixture
def later(euryale):
    return partial(euryale, "later:app", "--threads", "1")


def test_deferred_answers_hold_no_worker(later):
    server = later()
    with ThreadPoolExecutor(4) as clients:
        asked = [clients.submit(server.ask, "/report?open") for _ in range(4)]
        until(lambda: server.metric(RUNNING) == 4, "all are computed")
        assert server.ask("/seen").text == ""
        server.open("open")
        for answer in [answer.result() for answer in asked]:
            assert (answer.status, answer.headers["Content-Type"]) == (201, "text/plain")
            assert answer.text.startswith("open in euryale-lane-")


def test_a_hundred_deferred_answers_are_made_beside_one_worker(later):
    server = later()
    began = time.monotonic()
    with ThreadPoolExecutor(100) as clients:
        asked = [clients.submit(server.ask, "/report?open") for _ in range(100)]
        until(lambda: server.metric(RUNNING) == 100, "all are computed")
        server.open("open")
        answers = [answer.result() for answer in asked]
    assert all(answer.text.startswith("open in euryale-lane-") for answer in answers)
    assert time.monotonic() - began < 10
    quiet(server)


def test_deferred_iterable_is_closed_once_in_its_thread(later):
    server = later()
    assert server.ask("/blocks").text == "one two"
    assert server.ask("/breaks").status == 500
    closed = server.ask("/seen").text.split("\n")
    assert len(closed) == 2
    assert all(line.startswith("closed in euryale-lane-") for line in closed)
    assert "ValueError: broken" in server.log


def test_exception_in_close_is_logged_and_the_answer_is_sent(later):
    server = later()
    assert server.ask("/closes").text == "one"
    until(lambda: "close() of its iterable failed" in server.log, "it is logged")
    assert "ValueError: in close()" in server.log


def test_deferred_answers_of_clients_that_are_gone_leave_the_queue(later):
    server = later("--lane-threads", "1")
    with ThreadPoolExecutor(1) as clients:
        first = clients.submit(server.ask, "/report?open")
        until(lambda: server.metric(RUNNING) == 1, "the only thread is busy")
        with ExitStack() as peers:
            for _ in range(20):
                peer = peers.enter_context(server.connect())
                peer.sendall(b"GET /report?other HTTP/1.1\r\nHost: h\r\n\r\n")
            until(lambda: server.metric(WAITING) == 20, "all others wait")
        until(lambda: server.metric(WAITING) == 0, "the queue is empty")
        assert server.metric(RUNNING) == 1
        server.open("open")
        assert first.result().status == 201
    quiet(server)


def test_each_of_many_calls_at_once_gets_its_thread(later):
    server = later("--lane-threads", "600")
    assert server.ask("/crowd?600").text == "answered"
    until(lambda: server.metric(RUNNING) == 600, "all run")
    assert server.ask("/release").text == "released"
    until(lambda: server.ask("/seen").text.count("out of the crowd") == 600, "all have run")
    assert "could not be reached" not in server.log
    quiet(server)


@pytest.mark.parametrize(
    ("path", "logged"), [("/raises", "invalid literal for int"), ("/wrong", "(status, headers, body)")]
)
def test_deferred_call_that_fails_is_an_error_page(later, path, logged):
    server = later()
    assert server.ask(path).status == 500
    until(lambda: logged in server.log, "it is logged")


def test_calls_after_a_commit_run_once_when_the_worker_is_free(later):
    server = later()
    assert server.ask("/after?open").text == "answered"
    assert server.ask("/seen").text == ""
    server.open("open")
    until(lambda: server.ask("/seen").text == "after open", "it is called")
    assert server.ask("/never").status == 500
    assert server.ask("/passes").text == "7"
    expected = ["after open", "after pass 2"]
    until(lambda: server.ask("/seen").text.split("\n") == expected, "only the last pass counts")


def test_call_after_a_commit_that_fails_is_logged(later):
    server = later()
    assert server.ask("/fails").text == "answered"
    until(lambda: "a call after the commit failed" in server.log, "it is logged")


def test_drain_waits_for_calls_after_a_commit(later):
    server = later()
    server.ask("/after?open")
    server.send(15)
    until(lambda: server.operators("/readyz").status == 503, "it drains")
    server.open("open")
    assert server.wait() == 0


def test_calls_after_a_commit_are_bounded(later):
    server = later()
    answer = server.ask("/full")
    assert (answer.status, server.ask("/seen").text) == (503, "")
    assert answer.headers["Retry-After"]


def test_only_calls_of_the_application_register_others(later):
    said = later().ask("/outside").text
    assert said == "this thread is not in a call of the application"


def test_conflict_is_published_again_without_a_worker(later):
    server = later()
    assert server.ask("/again?2").text == "attempt 3, pass 1"
    assert server.ask("/again?9").status == 503
    assert server.ask("/seen").text.split("\n") == [
        *(f"attempt {number}" for number in (1, 2, 3)),
        *(f"attempt {number}" for number in (1, 2, 3, 4)),
    ]


def test_body_in_a_file_is_linked_and_a_small_one_is_copied(later, tmp_path):
    # The folder of the first server of this test.
    server = later(TMPDIR=str(tmp_path / "server-0"))
    kept = server.log_path.parent / "kept.bin"
    assert server.ask("/keep", "POST", b"small").text == "5 the body is in memory and has no file"
    assert kept.read_bytes() == b"small"
    kept.unlink()
    large = b"x" * (8 << 20)
    size, linked = server.ask("/keep", "POST", large).text.split()
    assert int(size) == len(large)
    assert linked == "True"
    assert kept.read_bytes() == large


def test_name_that_was_given_can_be_taken_back(later):
    server = later()
    assert server.ask("/keeptwice", "POST", b"x" * (8 << 20)).text == "taken back"
    # A linked name may be there until the body is dropped.
    name = server.log_path.parent / "twice.bin"
    until(lambda: not name.exists(), "the name is gone")
