"""PEP 3333 and HTTP/1.1: a table of raw exchanges with one running host.

Each row has the bytes of a request and what must be true of the answer. The host runs twice, once
with ``wsgiref.validate`` around the application. Rows of what the validator forbids run once.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable

import pytest

from conftest import APPS, Served
from raw import Raw

SOURCE = (APPS / "exchanges.py").read_bytes()


def get(path: str, *fields: str, method: str = "GET", version: str = "1.1", body: bytes = b""):
    """A request that is the last one of its socket."""
    lines = [f"{method} {path} HTTP/{version}", "Host: h", "Connection: close", *fields]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def post(path: str, body: bytes, *fields: str) -> bytes:
    return get(path, *fields, f"Content-Length: {len(body)}", method="POST", body=body)


CHUNKED = b"3;a=b\r\nab\n\r\n4\r\ncd\ne\r\n0\r\nX-Trailer: 1\r\n\r\n"


def chunked(path: str, body: bytes = CHUNKED) -> bytes:
    return get(path, "Transfer-Encoding: chunked", method="POST", body=body)


def environ(**expected) -> Callable[[Raw], bool]:
    """The answer of `/environ` has these values; `None` is a missing one."""

    def holds(answer: Raw) -> bool:
        found = json.loads(answer.body)
        return all(found.get(name.replace("__", ".")) == value for name, value in expected.items())

    return holds


def body(expected: bytes) -> Callable[[Raw], bool]:
    return lambda answer: (answer.status, answer.body, answer.complete) == (200, expected, True)


def lines(*expected: str) -> Callable[[Raw], bool]:
    return lambda answer: json.loads(answer.body) == list(expected)


def status(*expected: int) -> Callable[[Raw], bool]:
    return lambda answer: answer.status in expected


def refused(*expected: int) -> Callable[[Raw], bool]:
    """An error of the server's, after which the socket is closed."""
    return lambda answer: answer.status in expected and b"REQUEST_METHOD" not in answer.body


TABLE: dict[str, tuple[bytes, Callable[[Raw], bool]]] = {
    # environ
    "the method": (get("/environ", method="PUT"), environ(REQUEST_METHOD="PUT")),
    "a method of its own": (get("/environ", method="BREW"), environ(REQUEST_METHOD="BREW")),
    "the path": (get("/environ"), environ(PATH_INFO="/environ", SCRIPT_NAME="")),
    "a decoded path": (get("/environ/a%20b%2Fc"), environ(PATH_INFO="/environ/a b/c")),
    "a path of bytes": (get("/environ/%C3%A9"), environ(PATH_INFO="/environ/\xc3\xa9")),
    "the query": (get("/environ?a=%20b&c"), environ(QUERY_STRING="a=%20b&c")),
    "no query": (get("/environ"), environ(QUERY_STRING="")),
    "the target as sent": (get("/environ/%41?b"), environ(REQUEST_URI="/environ/%41?b")),
    "an absolute target": (get("http://h/environ?b"), environ(PATH_INFO="/environ", HTTP_HOST="h")),
    "HTTP/1.0": (get("/environ", version="1.0"), environ(SERVER_PROTOCOL="HTTP/1.0")),
    "HTTP/1.1": (get("/environ"), environ(SERVER_PROTOCOL="HTTP/1.1")),
    "the host": (get("/environ"), environ(HTTP_HOST="h", SERVER_NAME="127.0.0.1")),
    "the client": (get("/environ"), environ(REMOTE_ADDR="127.0.0.1")),
    "the scheme": (get("/environ"), environ(wsgi__url_scheme="http")),
    "many threads": (get("/environ"), environ(wsgi__multithread=True, wsgi__run_once=False)),
    "one process": (get("/environ"), environ(wsgi__multiprocess=False)),
    "a body that ends": (get("/environ"), environ(wsgi__input_terminated=True)),
    "a type and a length": (
        post("/environ", b"ab", "Content-Type: a/b"),
        environ(CONTENT_TYPE="a/b", CONTENT_LENGTH="2", HTTP_CONTENT_TYPE=None),
    ),
    "no type and no length": (get("/environ"), environ(CONTENT_TYPE=None, CONTENT_LENGTH=None)),
    "the length of chunks": (chunked("/environ"), environ(CONTENT_LENGTH="7")),
    "a length beside chunks": (
        get(
            "/environ",
            "Content-Length: 3",
            "Transfer-Encoding: chunked",
            method="POST",
            body=b"0\r\n\r\n",
        ),
        environ(CONTENT_LENGTH="0"),
    ),
    "no transfer coding": (chunked("/environ"), environ(HTTP_TRANSFER_ENCODING=None)),
    "a repeated field": (get("/environ", "X-A: 1", "x-a: 2"), environ(HTTP_X_A="1, 2")),
    "repeated cookies": (get("/environ", "Cookie: a", "Cookie: b"), environ(HTTP_COOKIE="a; b")),
    "a field of bytes": (get("/environ", "X-A: \xe9"), environ(HTTP_X_A="\xe9")),
    "an empty field": (get("/environ", "X-A:"), environ(HTTP_X_A="")),
    "a field without its spaces": (get("/environ", "X-A: \t b "), environ(HTTP_X_A="b")),
    "no proxy": (get("/environ", "Proxy: evil"), environ(HTTP_PROXY=None)),
    # wsgi.input
    "a body and its end": (post("/reads?read", b"ab\ncd\ne"), lines("ab\ncd\ne", "")),
    "a body in parts": (post("/reads?parts", b"ab\ncd"), lines("ab", "\ncd", "")),
    "lines": (post("/reads?readline", b"ab\ncd"), lines("ab\n", "cd", "")),
    "all lines": (post("/reads?readlines", b"ab\ncd\n"), lines("ab\n", "cd\n")),
    "lines up to a hint": (post("/reads?hint", b"ab\ncd\n"), lines("ab\n")),
    "iterated lines": (post("/reads?iteration", b"ab\ncd\n"), lines("ab\n", "cd\n")),
    "a body of chunks": (chunked("/reads?iteration"), lines("ab\n", "cd\n", "e")),
    "no body": (get("/reads?read"), lines("", "")),
    "a body of nothing": (post("/reads?read", b""), lines("", "")),
    "a body in a file": (
        post("/reads?parts", b"x" * 3_000_000),
        lines("xx", "xxx", "x" * 100),
    ),
    "a body that is ignored": (post("/ignores", b"x" * 3_000_000), body(b"ignored")),
    # start_response, write and the iterable
    "a list with empty blocks": (get("/list"), body(b"ab")),
    "a tuple": (get("/tuple"), body(b"ab")),
    "a generator": (get("/generator"), body(b"ab")),
    "no blocks": (get("/empty"), body(b"")),
    "a late head": (get("/late"), lambda a: (a.status, a.body) == (201, b"late")),
    "written blocks go first": (get("/write"), body(b"one two")),
    "a replaced head": (
        get("/excinfo"),
        lambda a: a.status == 500 and "x-second" in a.headers and "x-first" not in a.headers,
    ),
    "a head that cannot be replaced": (get("/reraise"), body(b"sent and raised again")),
    "a second head": (get("/twice"), status(500)),
    "no head": (get("/none"), status(500)),
    "a reason": (get("/reason"), lambda a: a.status_line == "HTTP/1.1 299 Very Special"),
    "repeated fields": (
        get("/cookies"),
        lambda a: [v for n, v in a.fields if n == "set-cookie"] == ["a=1", "b=2"],
    ),
    "a field of latin-1": (get("/latin"), lambda a: a.headers["x-latin"] == "caf\xe9"),
    "a field of the connection": (get("/hop"), status(500)),
    "text for bytes": (get("/text"), status(500)),
    "an exception": (get("/raises"), lambda a: a.body == b"Internal Server Error\n"),
    "an exception in the iterable": (get("/breaks"), status(500)),
    "a wrapped object": (get("/wrapped"), body(b"x" * 100_000)),
    "a file from its position on": (get("/offset"), body(SOURCE[3:15])),
    "a date": (get("/list"), lambda a: "GMT" in a.headers["date"]),
    # Framing
    "204 has no body": (get("/nocontent"), lambda a: a.status == 204 and a.body == b""),
    "204 has no length": (get("/nocontent"), lambda a: "content-length" not in a.headers),
    "304 has no body": (get("/notmodified"), lambda a: a.status == 304 and a.body == b""),
    "HEAD has no body": (get("/head", method="HEAD"), lambda a: a.body == b""),
    "HEAD is the application's": (
        get("/head", method="HEAD"),
        lambda a: (a.headers["x-method"], a.headers["content-length"]) == ("HEAD", "12345"),
    ),
    "a length for HTTP/1.0": (
        get("/generator", version="1.0"),
        lambda a: a.body == b"ab" and "transfer-encoding" not in a.headers,
    ),
    "a socket that closes": (get("/list"), lambda a: a.headers["connection"] == "close"),
    # Requests that the application never sees
    "an underscore": (get("/environ", "X_A: evil", "X-A: b"), refused(400)),
    "two lengths": (
        get("/environ", "Content-Length: 3", "Content-Length: 4", method="POST"),
        refused(400),
    ),
    "a length that is none": (get("/environ", "Content-Length: +3", method="POST"), refused(400)),
    "a chunk that is none": (chunked("/environ", b"zz\r\nab\r\n0\r\n\r\n"), refused(400)),
    "another coding": (get("/environ", "Transfer-Encoding: x", method="POST"), refused(400, 501)),
    "a field without a colon": (get("/environ", "nonsense"), refused(400)),
    "a space before a colon": (get("/environ", "X-A : b"), refused(400)),
    "a folded field": (get("/environ", "X-A: b", " c"), refused(400)),
    "a control character": (get("/environ", "X-A: a\0b"), refused(400)),
    "no host": (b"GET /environ HTTP/1.1\r\nConnection: close\r\n\r\n", refused(400)),
    "two hosts": (get("/environ", "Host: other"), refused(400)),
    "a head without end": (get("/environ", "X-A: " + "a" * 100_000), refused(431)),
    "another protocol": (b"GET / HTTP/3.7\r\nHost: h\r\n\r\n", refused(400, 505)),
    "no protocol": (b"nonsense\r\n\r\n", refused(400)),
}

#: Rows that are about what the validator asserts or changes.
UNCHECKED = {
    "all lines",
    "a field without its spaces",
    "a method of its own",
    "204 has no length",
}


@pytest.fixture(scope="module", params=["bare", "checked"])
def host(request, tmp_path_factory) -> Served:
    """One host for all rows."""
    is_checked = request.param == "checked"
    application = ["exchanges:checked", "--factory"] if is_checked else ["exchanges:app"]
    folder = tmp_path_factory.mktemp(request.param)
    command = [sys.executable, "-m", "euryale", *application, "--listen", "127.0.0.1:0"]
    server = Served(command, folder, {}).started()
    server.is_checked = is_checked
    yield server
    assert server.stop() == 0


def exchange(server: Served, request: bytes) -> Raw:
    with server.connect() as peer:
        try:
            peer.sendall(request)
        except OSError:
            # It was refused before its end.
            pass
        data = b""
        try:
            while more := peer.recv(65536):
                data += more
        except ConnectionResetError:
            return Raw(data, True)
    return Raw(data, False)


@pytest.mark.parametrize("name", TABLE)
def test_an_exchange(host, name):
    if host.is_checked and name in UNCHECKED:
        pytest.skip("wsgiref's validator does not allow it")
    request, holds = TABLE[name]
    answer = exchange(host, request)
    assert holds(answer), f"{answer.status_line}\n{answer.fields}\n{answer.body[:2000]}"


def kept(path: str, *fields: str, method: str = "GET", version: str = "1.1") -> bytes:
    """A request after which the socket is kept."""
    lines = [f"{method} {path} HTTP/{version}", "Host: h", *fields]
    return "\r\n".join([*lines, "", ""]).encode()


UPLOAD = kept("/ignores", "Content-Length: 70000", method="POST") + b"x" * 70_000

#: Requests on one socket, and the answers' bodies in their order. All of them are sent at once.
SEQUENCES: dict[str, tuple[bytes, bytes]] = {
    "two requests at once": (kept("/write") + get("/list"), b"one two.*ab$"),
    "after a body that is ignored": (UPLOAD + get("/list"), b"ignored.*ab$"),
    "after 204": (kept("/nocontent") + get("/list"), b"204 No Content.*ab$"),
    "after 304": (kept("/notmodified") + get("/list"), b"304 Not Modified.*ab$"),
    "after HEAD": (kept("/head", method="HEAD") + get("/list"), b"12345\r\n.*200 OK.*ab$"),
    "after an exception": (kept("/raises") + get("/list"), b"500 .*200 OK.*ab$"),
    "after empty lines": (kept("/write") + b"\r\n" + get("/list"), b"one two.*ab$"),
    "HTTP/1.0 that keeps its socket": (
        kept("/write", "Connection: keep-alive", version="1.0") + get("/list", version="1.0"),
        b"one two.*ab$",
    ),
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_requests_on_one_socket(host, name):
    requests, answers = SEQUENCES[name]
    with host.connect() as peer:
        peer.sendall(requests)
        data = b""
        while more := peer.recv(65536):
            data += more
    assert re.search(answers, data, re.DOTALL), data
    assert data.count(b"HTTP/1.") == 2, data


def test_a_body_that_is_waited_for_is_asked_for_once(host):
    with host.connect() as peer:
        expecting = ["Content-Length: 5", "Expect: 100-continue"]
        peer.sendall(kept("/reads?read", *expecting, method="POST"))
        assert peer.recv(65536).startswith(b"HTTP/1.1 100 ")
        peer.sendall(b"ab\nde")
        data = b""
        while not data.endswith(b"]") and (more := peer.recv(65536)):
            data += more
        assert data.startswith(b"HTTP/1.1 200 OK")
        assert data.count(b"HTTP/1.1") == 1


def test_a_length_is_kept_on_a_socket_that_is_used_again(host):
    """A body that is too long is cut, and one that is too short ends its socket."""
    if host.is_checked:
        pytest.skip("wsgiref's validator does not allow it")
    for path, answers, kept_open in [("/long", b"\r\n\r\nabc", True), ("/short", b"abc", False)]:
        with host.connect() as peer:
            peer.sendall(kept(path))
            data = b""
            while not data.endswith(answers) and (more := peer.recv(65536)):
                data += more
            assert data.endswith(answers), path
            try:
                peer.sendall(get("/list"))
                rest = peer.recv(65536)
            except OSError:
                rest = b""
            assert rest.endswith(b"ab") == kept_open, path
