"""Answers that leave with the first block of their iterable: ``early_answers = on``."""

import pytest

from conftest import until
from peers import begin, rest


@pytest.fixture
def early(euryale):
    def start(*arguments):
        return euryale("plain:app", "--early-answers", "on", *arguments)

    return start


def test_first_block_arrives_before_the_second_is_produced(early):
    server = early()
    peer = begin(server, "/gated?second")
    server.open("second")
    assert rest(peer).endswith(b"0\r\n\r\n")
    assert "gated ended" in server.ask("/seen").text


def test_exception_past_the_first_block_never_looks_like_the_end(early):
    server = early()
    peer = begin(server, "/breaks")
    assert not rest(peer).endswith(b"0\r\n\r\n")
    until(lambda: "past the first block" in server.log, "its traceback is logged")
    until(lambda: server.metric("euryale_early_answers_broken_total") == 1, "it is counted")
    assert server.ask("/seen").text.count("breaks closed") == 1
    assert server.ask("/").body == b"hello"


def test_exception_before_the_first_block_is_an_error_page(early):
    server = early()
    assert server.ask("/breaks?at-once").status == 500
    assert server.metric("euryale_early_answers_total") == 0


def test_client_that_reads_nothing_holds_no_thread_once_the_generator_has_ended(early):
    server = early("--threads", "1")
    peer = server.connect()
    peer.sendall(b"GET /generator HTTP/1.1\r\nHost: h\r\n\r\n")
    assert peer.recv(15).startswith(b"HTTP/1.1 200")
    # 13 MB are in a file, and the only thread answers others.
    assert server.ask("/").body == b"hello"
    assert server.metric("euryale_early_answers_sending") == 1
    got = rest(peer)
    assert got.partition(b"\r\n\r\n")[2].count(b"x") == 200 * 65536
    peer.close()
    until(lambda: server.metric("euryale_early_answers_files") == 0, "the file is closed")
    assert server.metric("euryale_wsgi_file_bytes") == 0


def test_endless_answer_ends_with_its_client(early):
    server = early()
    peer = server.connect()
    peer.sendall(b"GET /events HTTP/1.1\r\nHost: h\r\n\r\n")
    got = b""
    while got.count(b"data: tick") < 3:
        got += peer.recv(4096)
    peer.close()
    until(lambda: "endless closed" in server.ask("/seen").text, "it is closed")
    assert server.metric("euryale_early_answers_broken_total") == 0


def test_lists_and_whole_answers_have_their_length(early):
    server = early()
    answer = server.ask("/")
    assert (answer.headers["Content-Length"], answer.body) == ("5", b"hello")
    assert server.metric("euryale_early_answers_total") == 0
