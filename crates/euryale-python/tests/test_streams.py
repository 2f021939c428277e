"""Streams: iterables that are read outside the workers, while their answers are sent."""

import re
import resource
from contextlib import ExitStack
from functools import partial

import pytest

import euryale as package
from conftest import PATIENCE, quiet, until
from peers import ask, begin, rest

RUNNING = 'euryale_lane_running{lane="python-streams"}'
WAITING = 'euryale_lane_waiting{lane="python-streams"}'
CANCELLED = 'euryale_deferred_total{outcome="cancelled"}'
LEFT = (
    "euryale_early_answers_sending",
    "euryale_wsgi_files",
    "euryale_wsgi_file_bytes",
    "euryale_wsgi_memory_bytes",
)


@pytest.fixture
def streams(euryale):
    return partial(euryale, "streams:app", "--threads", "1")


def closed(server, name="blocks"):
    """Where the iterables of this name were closed."""
    lines = server.ask("/seen").text.split("\n")
    return [line.split()[-1] for line in lines if line.startswith(f"{name} closed in ")]


def test_stream_holds_no_worker_and_its_first_block_arrives_before_its_second_is_made(streams):
    server = streams()
    with ExitStack() as peers:
        asked = [peers.enter_context(begin(server, "/gated?open")) for _ in range(4)]
        assert server.metric(RUNNING) == 4
        assert server.metric("euryale_publishers_running") == 0
        assert closed(server, "open") == []
        server.open("open")
        for peer in asked:
            assert rest(peer).endswith(b"second\r\n0\r\n\r\n")
    until(lambda: len(closed(server, "open")) == 4, "all are closed")
    assert set(closed(server, "open")) == {f"euryale-stream-{number}" for number in range(4)}
    quiet(server, *LEFT)


def test_blocks_are_made_in_the_thread_that_closes_their_iterable(streams):
    server = streams()
    server.open("now")
    said = server.ask("/gated?now").text
    (where,) = until(lambda: closed(server, "now"), "it is closed")
    assert said == f"first in {where};second"
    assert where.startswith("euryale-stream-")


def test_compression_keeps_no_block_of_a_stream_back(streams):
    server = streams("--compress")
    with server.connect() as peer:
        peer.sendall(b"GET /counted?open HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n")
        got = b""
        while b"first" not in got:
            got += peer.recv(65536)
        head, _, body = got.partition(b"\r\n\r\n")
        assert b"content-length: 10000" in head.lower()
        server.open("open")
        while len(body) < 10_000:
            body += peer.recv(65536)
    assert body.rstrip().endswith(b"second")
    quiet(server, *LEFT)


def test_answer_may_be_started_by_its_first_block(streams):
    server = streams()
    answer = server.ask("/late")
    assert (answer.status, answer.text) == (201, "created")
    quiet(server, *LEFT)


def test_exception_before_the_first_block_is_an_error_page(streams):
    server = streams()
    assert server.ask("/breaks?at-once").status == 500
    assert "ValueError: as it should" in server.log
    assert len(closed(server)) == 1
    assert server.metric("euryale_early_answers_total") == 0
    quiet(server, *LEFT)


def test_exception_past_the_first_block_never_looks_like_the_end(streams):
    server = streams()
    with begin(server, "/breaks") as peer:
        assert not rest(peer).endswith(b"0\r\n\r\n")
    until(lambda: server.metric("euryale_early_answers_broken_total") == 1, "it is counted")
    assert "ValueError: as it should" in server.log
    assert len(closed(server)) == 1
    quiet(server, *LEFT)


def test_wrong_length_never_looks_like_the_end(streams):
    server = streams()
    with ask(server, "/short") as peer:
        peer.settimeout(PATIENCE)
        assert rest(peer).endswith(b"\r\n\r\nfour")
    until(lambda: "1 more bytes than the application sent" in server.log, "it is logged")
    assert server.ask("/long").text == "four "
    quiet(server, *LEFT)


@pytest.mark.parametrize("path", ["/never", "/late"])
def test_stream_for_head_is_only_closed(streams, path):
    server = streams()
    answer = server.ask(path, "HEAD")
    assert answer.status == (200 if path == "/never" else 201)
    assert answer.headers["Content-Length"] == ("5" if path == "/never" else None)
    assert closed(server) == ["euryale-0"], "in the worker"
    assert "asked for a block" not in server.ask("/seen").text
    quiet(server, *LEFT)


def test_slow_client_holds_no_thread_once_all_blocks_are_made(streams):
    server = streams()
    server.ask("/promise")
    before = server.memory()
    with ExitStack() as peers:
        slow = [peers.enter_context(ask(server, "/many")) for _ in range(8)]
        until(lambda: len(closed(server)) == 8, "all blocks are made, although nobody reads")
        until(lambda: server.metric(RUNNING) == 0, "no thread is held")
        assert server.metric("euryale_early_answers_sending") == 8
        # The blocks of 105 MB are in files; 64 KiB of each are in memory.
        assert server.memory() - before < 32 << 20
        assert server.metric("euryale_wsgi_memory_bytes") == 8 * 65536
        for peer in slow:
            assert rest(peer).partition(b"\r\n\r\n")[2].count(b"x") == 200 * 65536
    quiet(server, *LEFT)


def test_stream_waits_for_its_client_once_there_is_no_room(streams):
    server = streams("--max-response-body-size", "1M", "--stream-threads", "1")
    with ask(server, "/many") as peer:
        waits = r"euryale-stream-0[^\n]*has run GET /many for [\d.]+ s; its client has been waited"
        until(lambda: re.search(waits, server.operators("/status").text), "the status says so")
        assert server.metric("euryale_wsgi_file_bytes") <= 1 << 20
        assert "all blocks are made" not in server.ask("/seen").text, "the worker is free"
        assert rest(peer).partition(b"\r\n\r\n")[2].count(b"x") == 200 * 65536
    assert len(closed(server)) == 1
    quiet(server, *LEFT)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_endless_stream_ends_with_its_client(streams, method):
    server = streams()
    peer = ask(server, "/endless", method)
    got = b""
    while got.count(b"data: tick") < 3:
        got += peer.recv(4096)
    peer.close()
    until(lambda: len(closed(server)) == 1, "it is closed")
    assert server.metric("euryale_early_answers_broken_total") == 0
    quiet(server, *LEFT)


def test_waiting_stream_whose_client_is_gone_is_closed_without_a_block(streams):
    server = streams("--stream-threads", "1")
    with begin(server, "/gated?open") as peer:
        with ExitStack() as peers:
            for _ in range(20):
                peers.enter_context(ask(server, "/never"))
            until(lambda: server.metric(WAITING) == 20, "all others wait")
        until(lambda: server.metric(CANCELLED) == 20, "all others are to be closed")
        assert server.metric(WAITING) == 20
        # Promises have threads of their own.
        assert server.ask("/promise").text.startswith("euryale-lane-")
        server.open("open")
        assert rest(peer).endswith(b"second\r\n0\r\n\r\n")
    until(lambda: len(closed(server)) == 20, "each is closed once")
    assert set(closed(server)) == {"euryale-stream-0"}
    assert "asked for a block" not in server.ask("/seen").text
    quiet(server, *LEFT)


def test_stream_that_gets_no_thread_in_time_is_refused_and_closed(streams):
    server = streams("--stream-threads", "1", "--lane-timeout", "300ms")
    with begin(server, "/gated?open") as peer:
        assert server.ask("/never").status == 504
        server.open("open")
        assert rest(peer).endswith(b"second\r\n0\r\n\r\n"), "once it has begun it has no deadline"
    until(lambda: len(closed(server)) == 1, "it is closed once")
    quiet(server, *LEFT)


@pytest.fixture
def descriptors():
    """Enough for the clients of a full queue. The usual limit is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(2048, hard)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(("method", "status"), [("GET", 503), ("POST", 500)])
def test_stream_is_refused_and_closed_if_too_many_wait(descriptors, streams, method, status):
    server = streams("--stream-threads", "1", "--max-sockets", "2000")
    with begin(server, "/gated?open") as first:
        with ExitStack() as peers:
            for _ in range(1024):
                peers.enter_context(ask(server, "/never"))
            until(lambda: server.metric(WAITING) == 1024, "the queue is full")
            refused = server.ask("/never", method)
            assert (refused.status, closed(server)) == (status, ["euryale-0"])
            assert bool(refused.headers["Retry-After"]) == (status == 503)
        # Their iterables are still to be closed, so there is no room for others.
        until(lambda: server.metric(CANCELLED) == 1024, "all clients are gone")
        assert server.ask("/never", method).status == status
        server.open("open")
        rest(first)
    until(lambda: len(closed(server)) == 1026, "each is closed once")
    assert "asked for a block" not in server.ask("/seen").text
    quiet(server, *LEFT)


def test_status_and_dump_have_the_generator_that_hangs_and_a_drain_breaks_it_off(streams):
    server = streams("--drain", "1s", "--console", "console")
    with begin(server, "/hangs") as peer:
        hangs = r"euryale-stream-0[^\n]*has run GET /hangs for [\d.]+ s; its next block has taken"
        until(lambda: re.search(hangs, server.operators("/status").text), "the status says so")
        assert server.operators("/readyz").status == 200, "no worker is held"
        _, dump = package._euryale.ctl(str(server.log_path.parent / "console"), ["dump"])
        assert "time.sleep(600)" in dump
        assert server.stop() == 3
        assert not rest(peer).endswith(b"0\r\n\r\n")
    assert "euryale-stream-0 has not returned from GET /hangs" in server.log
    assert "ending without euryale-stream-0" in server.log


def test_drain_waits_for_streams_that_end(streams):
    server = streams()
    with begin(server, "/gated?open") as peer:
        server.send(15)
        until(lambda: server.operators("/readyz").status == 503, "it drains")
        server.open("open")
        assert rest(peer).endswith(b"second\r\n0\r\n\r\n")
    assert server.wait() == 0


def test_stream_is_an_ordinary_iterable_elsewhere(streams):
    server = streams()
    server.open("open")
    assert server.ask("/wrapped?open").text == "first in euryale-0;second"
    assert closed(server, "open") == ["euryale-0"]
    assert server.ask("/written").text == "written in euryale-0"
    closes = []
    blocks = type("Blocks", (list,), {"close": lambda self: closes.append(1)})([b"one", b"two"])
    stream = package.stream(blocks)
    assert b"".join(stream) == b"onetwo"
    stream.close()
    stream.close()
    assert closes == [1]


def test_stream_of_a_file_is_sent_as_a_file(streams):
    server = streams()
    size = server.ask("/size").text
    answer = server.ask("/file", headers={"Range": "bytes=3-9"})
    assert (answer.status, answer.headers["Content-Range"]) == (206, f"bytes 3-9/{size}")
    assert answer.text == "An appl"
    for name in ("Content-Length", "ETag", "Accept-Ranges"):
        assert server.ask("/file", "HEAD").headers[name] == server.ask("/file").headers[name]
    assert server.ask("/file", "HEAD").headers["Content-Length"] == size
    assert server.metric("euryale_early_answers_total") == 0
    quiet(server, *LEFT)


def test_one_stream_is_one_answer(streams):
    server = streams()
    assert server.ask("/twice").text == "once"
    assert server.ask("/twice").status == 500
    assert "a stream was returned twice, or is closed" in server.log
    assert len(closed(server)) == 1


def test_stream_has_nothing_that_belongs_to_the_call(streams):
    assert streams().ask("/after").text == (
        "the call of the application has ended\n"
        "this thread is not in a call of the application\n"
    )
