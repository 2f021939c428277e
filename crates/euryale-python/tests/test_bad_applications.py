"""Applications that break rules: each has its answer and its traceback, and the next request is served."""

import re

import pytest

from conftest import until
from raw import Raw
from test_conformance import exchange, get

#: What each of them raises, or is told.
BAD = {
    "/raises": "RuntimeError: an application raised this",
    "/breaks": "RuntimeError: boom",
    "/null": "TypeError: 'NoneType' object is not iterable",
    "/number": "TypeError: 'int' object is not iterable",
    "/badstatus": "ValueError: the status \"OK\" is not three digits",
    "/numberstatus": "TypeError: ",
    "/bytesvalue": "TypeError: a header is not a tuple of two strings",
    "/numbervalue": "TypeError: a header is not a tuple of two strings",
    "/newline": "ValueError: the value of X-A has a control character",
    "/snowman": "ValueError: the value of X-A is not latin-1",
    "/twolengths": "ValueError: Content-Length is not one number",
    "/dictheaders": "TypeError: ",
    "/twice": "AssertionError: start_response was called a second time without exc_info",
    "/none": "AssertionError: start_response was not called before the first block",
    "/hop": "AssertionError: Connection is a \"hop-by-hop\" header",
    "/text": "TypeError: the iterable has a block of <class 'str'>, not of bytes",
    "/exits": "SystemExit: an application called sys.exit",
    "/interrupts": "KeyboardInterrupt: an application raised this",
    "/recurses": "RecursionError: ",
}


@pytest.fixture
def server(euryale):
    return euryale("exchanges:app", "--threads", "1")


def test_each_has_its_answer_and_its_traceback(server):
    for path, said in BAD.items():
        answer = exchange(server, get(path))
        assert (answer.status, answer.body) == (500, b"Internal Server Error\n"), path
        assert answer.complete, path
        # An exception that is raised for the application has no frame of it.
        traceback = r"(?:Traceback (?s:.*?)\n)?"
        line = rf"GET {path}: the application failed\n{traceback}{re.escape(said)}"
        until(lambda line=line: re.search(line, server.log), f"{path} is in the log with {said}")
        assert server.ask("/list").body == b"ab", f"after {path}"
    assert server.stop() == 0


def test_bodies_of_another_length_than_announced(server):
    long = exchange(server, get("/long"))
    assert (long.status, long.body, long.complete) == (200, b"abc", True)
    said = "GET /long: the application sent more bytes than Content-Length says"
    until(lambda: said in server.log, "it is logged")
    short = exchange(server, get("/short"))
    assert (short.body, short.complete) == (b"abc", False), "nobody takes it for the whole"
    said = "GET /short: Content-Length announced 7 more bytes than the application sent"
    until(lambda: said in server.log, "it is logged")
    assert server.ask("/list").body == b"ab"


def test_os_exit_ends_the_process(server):
    assert exchange(server, get("/ends")).status_line == ""
    assert server.wait() == 17


@pytest.mark.parametrize(
    ("path", "status"),
    [("/fork", 70), ("/fork?raises", 70), ("/fork?exits", 3), ("/forklate", 70)],
)
def test_a_forked_child_that_returns_touches_no_socket(server, path, status):
    pid = server.ask("/pid").text
    answer: Raw = exchange(server, get(path))
    assert answer.body == f"the child ended with {status}".encode()
    # The parent goes on, with the same workers and sockets.
    assert server.ask("/pid").text == pid
    said = "a forked child returned into the server" in server.log
    assert said == (status == 70)
    assert server.stop() == 0
