"""Answers that are long, without end, or not read."""

import re

import pytest

from conftest import until

DISK = "euryale_wsgi_file_bytes"
MEMORY = "euryale_wsgi_memory_bytes"


def unread(server, path: str, method: str = "GET"):
    """A client that has the head of an answer, and reads nothing of its body."""
    peer = server.connect()
    peer.sendall(f"{method} {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n".encode())
    assert peer.recv(15).startswith(b"HTTP/1.1 200")
    return peer


def test_an_answer_without_end_is_given_up_at_the_limit(euryale):
    server = euryale("plain:app", "--response-disk", "8M")
    answer = server.ask("/endless")
    assert (answer.status, answer.text) == (500, "Internal Server Error\n")
    assert "endless closed" in server.ask("/seen").text
    said = "ERROR euryale: GET /endless: the answer is longer than 4194304 bytes: "
    until(lambda: said + "raise max_response_body_size" in server.log, "it is logged")
    assert "Traceback" not in server.log
    assert server.metric(DISK) == 0


def test_an_application_that_hides_the_limit_has_no_answer(euryale):
    server = euryale("plain:app", "--max-response-body-size", "2M")
    assert server.ask("/swallows").status == 500
    assert "longer than 2097152 bytes" in server.ask("/seen").text


def test_all_answers_share_the_disk(euryale):
    # The answer of `/generator` has 13 MB.
    server = euryale("plain:app", "--response-disk", "20M", "--max-response-body-size", "16M")
    first = unread(server, "/generator")
    refused = server.ask("/generator")
    assert refused.status == 503
    assert int(refused.headers["Retry-After"]) > 0
    assert "no room for the answer" in refused.text
    # What a client of a POST may not simply repeat: it was carried out.
    posted = server.ask("/generator", "POST")
    assert (posted.status, posted.headers["Retry-After"]) == (500, None)
    assert "may have been carried out" in posted.text
    assert server.metric("euryale_wsgi_refused_total") == 2
    until(lambda: "raise response_disk" in server.log, "it is logged")
    assert server.log.count("raise response_disk") == 1, "one line for many refusals"
    assert server.ask("/").body == b"hello"
    first.close()
    until(lambda: server.metric(DISK) == 0, "the file is closed")
    assert len(server.ask("/generator").body) == 200 * 65536


def test_all_answers_share_the_memory(euryale):
    server = euryale("plain:app", "--response-memory", "6M")
    unread(server, "/megabyte").close()
    before = server.memory()
    # The kernel may take the answers of 32 sockets whole.
    peers = [unread(server, "/megabyte") for _ in range(92)]
    assert server.metric(MEMORY) <= 3 << 20, "large answers have half of it"
    assert server.metric("euryale_wsgi_files") >= 50
    grown = server.memory() - before
    assert grown < 30 << 20, f"92 answers of 1 MiB: RSS +{grown >> 20} MiB"
    for peer in peers:
        peer.close()
    until(lambda: server.metric(MEMORY) + server.metric(DISK) == 0, "all is given back")


@pytest.mark.parametrize("path", ["/events", "/endless"])
def test_an_iterable_without_end_ends_with_its_client(euryale, path):
    server = euryale("plain:app", "--threads", "1", "--response-disk", "1T")
    peer = server.connect()
    peer.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    until(lambda: server.metric("euryale_publishers_running") == 1, "it is at work")
    peer.close()
    until(lambda: server.metric("euryale_publishers_running") == 0, "the worker is free")
    assert "endless closed" in server.ask("/seen").text
    assert server.metric("euryale_wsgi_abandoned_total") == 1
    assert server.metric(DISK) == 0
    assert "Traceback" not in server.log
    assert server.stop() == 0


def test_an_iterable_that_may_change_something_outlives_its_client(euryale):
    server = euryale("plain:app", "--threads", "1", "--max-response-body-size", "1M")
    peer = server.connect()
    peer.sendall(b"POST /gated?left HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
    until(lambda: server.metric("euryale_publishers_running") == 1, "it is at work")
    peer.close()
    until(lambda: server.metric("euryale_sockets_open") == 0, "the server has seen it")
    server.open("left")
    until(lambda: server.metric("euryale_publishers_running") == 0, "the worker is free")
    assert "gated ended" in server.ask("/seen").text
    assert server.metric("euryale_wsgi_abandoned_total") == 0


def test_writing_an_answer_to_disk_does_not_hold_the_gil(euryale):
    server = euryale("plain:app", "--threads", "1")
    end = server.ask("/turns").body[-20:].decode()
    blocks = int(re.search(r"after (\d+) blocks$", end).group(1))
    assert blocks > 0, "no other thread had a turn while 240 MB were written"


def test_the_largest_body_is_not_bounded_by_the_spool(euryale):
    server = euryale("plain:app", "--max-request-body-size", "10G")
    with server.connect() as peer:
        length = 9 << 30
        head = f"POST /length HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n"
        peer.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        assert peer.recv(65536).startswith(b"HTTP/1.1 100 ")
