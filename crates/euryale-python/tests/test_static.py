"""Folders whose files the server sends without a call of the application."""

import gzip
import os
from pathlib import Path

import pytest

import euryale as package
from conftest import Served, quiet, until
from test_serving import LOGGERS

#: What metrics call the calls of the application.
CALLS = "euryale_transactions_begun_total"

CSS = b"p { margin: 0 }\n" * 100


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder of collected files, beside a secret and with links to it."""
    (tmp_path / "secret.txt").write_text("secret")
    static = tmp_path / "collected"
    (static / "css").mkdir(parents=True)
    (static / "css" / "site.css").write_bytes(CSS)
    (static / "css" / "site.css.gz").write_bytes(gzip.compress(CSS))
    (static / "css" / "site.css.br").write_bytes(b"not really brotli")
    (static / "plain.txt").write_text("plain")
    (static / ".env").write_text("secret")
    (static / "link.txt").symlink_to(tmp_path / "secret.txt")
    (static / "up").symlink_to(tmp_path)
    return static


@pytest.fixture
def served(euryale, folder) -> Served:
    return euryale("plain:app", "--static", f"/static={folder}", "--threads", "1")


def test_a_file_is_sent_without_a_call_of_the_application(served):
    answer = served.ask("/static/css/site.css")
    assert (answer.status, answer.body) == (200, CSS)
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert answer.headers["etag"] and answer.headers["last-modified"]
    assert served.ask("/static/css/missing.css").status == 404
    assert served.metric(CALLS) == 0
    assert served.metric('euryale_blob_bytes_total{path="sendfile"}') >= len(CSS)
    assert served.ask("/").text == "hello"
    quiet(served)


def test_heads_ranges_and_conditions_are_those_of_files(served):
    path = "/static/css/site.css"
    whole = served.ask(path)
    head = served.ask(path, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(CSS))
    part = served.ask(path, headers={"Range": "bytes=4-9"})
    assert (part.status, part.body) == (206, CSS[4:10])
    assert part.headers["content-range"] == f"bytes 4-9/{len(CSS)}"
    beyond = served.ask(path, headers={"Range": "bytes=9999999-"})
    assert beyond.status == 416
    for field, value in [("If-None-Match", "etag"), ("If-Modified-Since", "last-modified")]:
        unchanged = served.ask(path, headers={field: whole.headers[value]})
        assert (unchanged.status, unchanged.body) == (304, b"")
    posted = served.ask(path, method="POST", body=b"x")
    assert (posted.status, posted.headers["allow"]) == (405, "GET, HEAD")


def test_a_precompressed_file_is_sent_to_a_client_that_accepts_it(served):
    path = "/static/css/site.css"
    for accept, coding, body in [
        ("gzip", "gzip", gzip.compress(CSS)),
        ("gzip, br", "br", b"not really brotli"),
        ("br;q=0, gzip", "gzip", gzip.compress(CSS)),
        ("identity", None, CSS),
    ]:
        answer = served.ask(path, headers={"Accept-Encoding": accept})
        assert answer.headers["content-encoding"] == coding
        assert answer.headers["vary"] == "accept-encoding"
        if coding == "gzip":
            assert gzip.decompress(answer.body) == CSS
        else:
            assert answer.body == body


@pytest.mark.parametrize(
    "path",
    [
        "/static/../secret.txt",
        "/static/%2e%2e/secret.txt",
        "/static/css/..%2f..%2f..%2fsecret.txt",
        "/static/css%2fsite.css",
        "/static//secret.txt",
        "/static/link.txt",
        "/static/up/secret.txt",
        "/static/.env",
        "/static/css/",
        "/static/",
    ],
)
def test_nothing_outside_and_no_list_of_a_folder_is_sent(served, path):
    answer = served.ask(path)
    assert (answer.status, answer.body) == (404, b"Not Found\n")
    assert served.metric(CALLS) == 0


def test_a_nul_in_a_name_is_refused(served):
    assert served.ask("/static/plain.txt%00.css").status == 400


def test_only_paths_below_the_mount_are_files(served):
    for path in ["/static", "/statically", "/static.txt", "/a/static/plain.txt"]:
        assert served.ask(path).text == "hello", path


def test_files_are_sent_while_the_gil_is_held_and_the_only_worker_is_busy(served):
    fifo = served.log_path.parent / "fifo"
    os.mkfifo(fifo)
    with served.connect() as held:
        held.sendall(f"GET /fifo?{fifo} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        until(lambda: served.metric("euryale_publishers_running") == 1, "the call has begun")
        assert served.ask("/static/plain.txt").text == "plain"
        # The descriptor opens once the call reads, and so holds the GIL.
        fifo.write_bytes(b"x")
        assert held.recv(4096).startswith(b"HTTP/1.1 200")
    quiet(served)


def test_several_folders_and_longer_paths_work_on_the_command_line(euryale, folder, tmp_path):
    spaced = tmp_path / "my files"
    spaced.mkdir()
    (spaced / "a.txt").write_text("spaced")
    server = euryale(
        "plain:app",
        "--static",
        f"/static={folder}",
        "--static",
        f"/static/mine={spaced}",
        "--access-log",
    )
    assert server.ask("/static/plain.txt").text == "plain"
    assert server.ask("/static/mine/a.txt").text == "spaced"
    until(lambda: '"GET /static/mine/a.txt HTTP/1.1" 200 6' in server.log, "the access log")


def test_single_files_are_sent_by_their_own_paths(euryale, folder, tmp_path):
    (tmp_path / "robots 1%.txt").write_text("robots")
    (tmp_path / ".icon").write_text("icon")
    server = euryale(
        "plain:app",
        *["--static", f"/robots.txt={tmp_path}/robots 1%.txt"],
        *["--static", f"/favicon.ico={tmp_path}/.icon"],
    )
    assert server.ask("/robots.txt").text == "robots"
    assert server.ask("/robots.txt", headers={"Range": "bytes=2-"}).text == "bots"
    assert server.ask("/favicon.ico").text == "icon"
    for path in ["/robots.txt/", "/robots.txt/../secret.txt", "/robots.txt2", "/secret.txt"]:
        assert server.ask(path).text == "hello", path


def test_the_path_of_the_folder_may_contain_a_link_that_is_switched(euryale, tmp_path):
    for release in ["one", "two"]:
        (tmp_path / release).mkdir()
        (tmp_path / release / "release.txt").write_text(release)
    current = tmp_path / "current"
    current.symlink_to("one")
    server = euryale("plain:app", "--static", f"/static={current}")
    assert server.ask("/static/release.txt").text == "one"
    (tmp_path / "next").symlink_to("two")
    os.replace(tmp_path / "next", current)
    assert server.ask("/static/release.txt").text == "two"


def test_the_setting_works_in_an_ini_file_and_in_python(euryale, folder, tmp_path):
    ini = tmp_path / "site.ini"
    text = LOGGERS.replace("egg:euryale#main", f"egg:euryale#main\nstatic = /static={folder}")
    ini.write_text(text)
    assert euryale(str(ini)).ask("/static/plain.txt").text == "plain"

    from test_embedded import Run, ask, hello

    run = Run(hello, static=[f"/static={folder}", f"/again={folder}"])
    assert ask(run.server, "/again/plain.txt") == b"plain"
    run.server.close()
    assert run.ended() == 0


@pytest.mark.parametrize(
    "value, message",
    [
        ("/static=/nowhere/at/all", "static: /nowhere/at/all: No such file or directory"),
        ("/static=/dev/null", "static: /dev/null: not a folder"),
        ("/=/tmp", "static = '/=/tmp': / would hide"),
    ],
)
def test_a_mistake_ends_the_start_with_one_line(value, message):
    with pytest.raises(package.SettingsError) as raised:
        package.create_server(lambda *_: [], listen="127.0.0.1:0", static=value)
    assert message.replace("'", '"') in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1
