"""PEP 3333, by raw exchanges."""

import json

import pytest

from raw import Raw


@pytest.fixture(params=["exchanges:app", "exchanges:checked"])
def exchange(request, euryale):
    factory = ["--factory"] if request.param.endswith("checked") else []
    server = euryale(request.param, *factory, "--threads", "2")

    def ask(path, fields="", method="GET", version="1.1", body=b"") -> Raw:
        head = f"{method} {path} HTTP/{version}\r\nHost: h\r\nConnection: close\r\n{fields}\r\n"
        with server.connect() as peer:
            peer.sendall(head.encode("latin-1") + body)
            data = b""
            try:
                while more := peer.recv(65536):
                    data += more
            except ConnectionResetError:
                return Raw(data, True)
        return Raw(data, False)

    ask.server = server
    ask.is_checked = bool(factory)
    return ask


def environ(exchange, *arguments, **keywords) -> dict:
    return json.loads(exchange("/environ", *arguments, **keywords).body)


def test_what_the_standard_allows(exchange):
    late = exchange("/late")
    assert (late.status, late.body) == (201, b"late")
    assert exchange("/write").body == b"one two"
    replaced = exchange("/excinfo")
    assert replaced.status == 500
    assert "x-second" in replaced.headers and "x-first" not in replaced.headers
    assert exchange("/reraise").body == b"sent and raised again"
    assert exchange("/close").body == b"ab"
    reason = exchange("/reason")
    assert reason.status_line == "HTTP/1.1 299 Very Special"
    assert len(exchange("/wrapped").body) == 100_000


def test_what_the_standard_forbids(exchange):
    for path in ["/raises", "/twice", "/hop", "/text", "/none", "/breaks"]:
        answer = exchange(path)
        assert answer.status == 500, path
        assert answer.body == b"Internal Server Error\n", "the client learns nothing"
    log = exchange.server.log
    assert "RuntimeError: an application raised this" in log
    assert "Traceback" in log and "exchanges.py" in log


def test_lengths_that_are_wrong(exchange):
    if exchange.is_checked:
        pytest.skip("wsgiref forbids them")
    long = exchange("/long")
    assert (long.body, long.complete) == (b"abc", True)
    short = exchange("/short")
    assert not short.complete, "nobody takes it for the whole"


def test_close_is_called_once_in_every_case(exchange):
    for path in ["/close", "/breaks", "/long", "/short"]:
        if not (exchange.is_checked and path in {"/long", "/short"}):
            exchange(path)
    closed = json.loads(exchange("/closed").body)
    assert len(closed) == len(set(closed))
    assert {"close", "breaks"} <= set(closed)


def test_an_answer_is_complete_although_close_raises(exchange):
    if exchange.is_checked:
        pytest.skip("wsgiref's own iterable is closed")
    answer = exchange("/closeraises")
    assert (answer.status, answer.body) == (200, b"ab")
    log = exchange.server.log
    assert "GET /closeraises: close() of its iterable failed" in log
    assert "RuntimeError: close raised this" in log


def test_the_environ_of_a_request(exchange):
    assert environ(exchange, version="1.0")["SERVER_PROTOCOL"] == "HTTP/1.0"
    assert environ(exchange, "X-A: 1\r\nX-A: 2\r\n")["HTTP_X_A"] == "1, 2"
    answer = exchange("/environ", "X_Real_User: evil\r\n")
    assert answer.status == 400 or b"REAL_USER" not in answer.body
    assert "HTTP_PROXY" not in environ(exchange, "Proxy: evil\r\n")
    found = environ(exchange)
    assert found["wsgi.input_terminated"] is True
    assert found["REMOTE_ADDR"] == "127.0.0.1"
    assert found["SERVER_PORT"] == str(exchange.server.port)


def test_bodies_are_read_in_every_way(exchange):
    chunked = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    if not exchange.is_checked:
        read = exchange("/read", "Transfer-Encoding: chunked\r\n", method="POST", body=chunked)
        assert read.body == b"11 0 11"
        lines = exchange(
            "/lines", "Content-Length: 12\r\n", method="POST", body=b"ab\ncdef\ngh\ni"
        )
        assert json.loads(lines.body) == ["ab\n", "cd", "e", "f\n", "gh\n", "i"]


def test_head_is_the_applications_own_answer(exchange):
    head = exchange("/head", method="HEAD")
    assert head.headers["x-method"] == "HEAD"
    assert head.headers["content-length"] == "12345"
    assert head.body == b""
    assert exchange("/head").body == b"12345"


def test_a_body_for_head_is_not_sent_into_the_next_answer(exchange):
    """On one socket, which `Connection: close` would not be."""
    if exchange.is_checked:
        pytest.skip("wsgiref forbids it")
    with exchange.server.connect() as peer:
        peer.sendall(b"HEAD /write HTTP/1.1\r\nHost: h\r\n\r\n")
        data = b""
        while b"\r\n\r\n" not in data:
            data += peer.recv(65536)
        peer.sendall(b"GET /late HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        while more := peer.recv(65536):
            data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK") and b"content-length: 7" in head.lower()
    assert rest.startswith(b"HTTP/1.1 201 Created") and rest.endswith(b"late")


def test_write_is_refused_after_the_call(exchange):
    if exchange.is_checked:
        pytest.skip("wsgiref wraps `write`")
    assert exchange("/kept").body == b"kept"
    assert exchange("/afterwards").body == b"the call of the application has ended"


def test_a_pipelined_request_is_answered_after_the_first(exchange):
    with exchange.server.connect() as peer:
        peer.sendall(b"GET /write HTTP/1.1\r\nHost: h\r\n\r\n" * 2)
        data = b""
        while data.count(b"one two") < 2:
            more = peer.recv(65536)
            assert more
            data += more
    assert data.count(b"HTTP/1.1 200 OK") == 2
