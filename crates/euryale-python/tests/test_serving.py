"""Threads, files, slow clients, settings, signals and the end."""

import hashlib
import http.client
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from apps import noting
from conftest import APPS, PATIENCE, Served, until

#: 200 with EURYALE_STARTS=200.
STARTS = int(os.environ.get("EURYALE_STARTS", "20"))

#: More than any socket's buffers hold.
BIG = b"".join(hashlib.sha256(str(i).encode()).digest() for i in range(1_000_000))

#: An ini file with the levels of loggers.
LOGGERS = """
[app:main]
paste.app_factory = pasted:factory
[server:main]
use = egg:euryale#main
[loggers]
keys = root, access
[handlers]
keys = console
[formatters]
keys = short
[logger_root]
level = INFO
handlers = console
[logger_access]
level = INFO
handlers =
qualname = euryale.access
[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = short
[formatter_short]
format = %(levelname)s %(name)s %(message)s
"""


@pytest.fixture
def plain(euryale):
    """`plain:app`, which finds a big file in the server's folder."""

    def start(*arguments: str, **environment: str) -> Served:
        server = euryale("plain:app", *arguments, ready=False, **environment)
        (server.log_path.parent / "big.bin").write_bytes(BIG)
        return server.started()

    return start


def test_workers_are_pythons_threads_and_stay(plain):
    server = plain("--threads", "3")
    with ThreadPoolExecutor(20) as clients:
        answers = list(clients.map(lambda _: server.ask("/thread").text, range(200)))
    names = {answer.split()[0] for answer in answers}
    assert names <= {"euryale-0", "euryale-1", "euryale-2"}
    assert {answer.split()[1] for answer in answers} == {"Thread"}
    made = max(int(answer.split()[2]) for answer in answers)
    assert made == len(names), "each thread keeps its thread-local values"


def test_sighup_changes_the_number_of_threads(plain, tmp_path):
    config = tmp_path / "euryale.toml"
    config.write_text("threads = 1\n")
    server = plain("--config", str(config))
    running = "euryale_publishers_running"
    with ThreadPoolExecutor(8) as clients:
        calls = [clients.submit(server.ask, f"/wait?{name}") for name in "abc"]
        until(lambda: server.metric(running) == 1, "one is at work")
        until(lambda: server.metric("euryale_queue_depth") == 2, "the others wait")
        config.write_text("threads = 3\n")
        server.send(signal.SIGHUP)
        until(lambda: server.metric(running) == 3, "three are at work")
        config.write_text("threads = 1\n")
        server.send(signal.SIGHUP)
        until(lambda: server.metric("euryale_connections_cap") == 1, "it is read again")
        server.open("a", "b", "c")
        assert {call.result().text for call in calls} == {"waited"}
        more = [clients.submit(server.ask, f"/wait?{name}") for name in "de"]
        until(lambda: server.metric("euryale_queue_depth") == 1, "there is one thread")
        server.open("d", "e")
        assert {call.result().text for call in more} == {"waited"}
    assert server.stop() == 0


def test_requests_of_clients_that_left_are_not_published(plain):
    server = plain("--threads", "2")
    with ThreadPoolExecutor(2) as clients:
        calls = [clients.submit(server.ask, f"/wait?{name}") for name in "ab"]
        until(lambda: server.metric("euryale_publishers_running") == 2, "both are at work")
        peers = [server.connect() for _ in range(60)]
        for peer in peers:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        until(lambda: server.metric("euryale_queue_depth") == 60, "they wait")
        for peer in peers:
            peer.close()
        until(lambda: server.metric("euryale_queue_depth") == 0, "they are taken out")
        server.open("a", "b")
        assert {call.result().text for call in calls} == {"waited"}
    assert server.ask("/ran").text == "0"


def test_files_leave_by_sendfile_with_all_their_bytes(plain):
    server = plain("--threads", "2")
    assert server.ask("/file").body == BIG
    assert server.ask("/offset").body == BIG[1010:]
    part = server.ask("/range")
    assert (part.status, part.body) == (206, BIG[100:5100])
    assert part.headers["Content-Range"] == "bytes 100-5099/9000000"
    assert server.ask("/whole").body == BIG
    seen = server.ask("/seen").text.splitlines()
    assert len(seen) == 2 and "read" not in seen, "both were closed, in a worker, and never read"
    assert all(line.startswith("range closed in euryale-") for line in seen)
    sent = 'euryale_blob_bytes_total{path="sendfile"}'
    until(lambda: server.metric(sent) == 3 * len(BIG) - 1010 + 5000, "all was counted")


def test_what_only_looks_like_a_file_is_read(plain):
    server = plain()
    assert server.ask("/gzip").body == b"unpacked"
    assert server.ask("/pipe").body == b"through a pipe"
    assert server.ask("/backwards").body == b"cba"
    assert server.ask("/decoding").body == b"cba"


def test_a_named_temporary_file_leaves_by_sendfile(plain):
    server = plain()
    assert server.ask("/temporary").body == b"temporary"
    sent = 'euryale_blob_bytes_total{path="sendfile"}'
    until(lambda: server.metric(sent) == len(b"temporary"), "it was counted")


def test_slow_clients_hold_no_worker(plain):
    server = plain("--threads", "2")
    peers = []
    for path in ["/file", "/file", "/file", "/generator", "/generator"]:
        peer = server.connect()
        peer.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        assert peer.recv(15).startswith(b"HTTP/1.1 200")
        peers.append(peer)
    for _ in range(2):
        peer = server.connect()
        peer.sendall(b"POST /length HTTP/1.1\r\nHost: h\r\nContent-Length: 10000000\r\n\r\nsome")
        peers.append(peer)
    until(lambda: server.metric("euryale_publishers_running") == 0, "all workers are free")
    assert server.ask("/").body == b"hello"
    for peer in peers:
        peer.close()


def test_a_long_upload_arrives_whole(plain):
    server = plain()
    answer = server.ask("/length", "POST", BIG)
    assert answer.text == f"{len(BIG)} {len(BIG)}"


def test_a_body_that_is_too_large_is_refused(plain):
    server = plain("--max-request-body-size", "1M", "--max-response-body-size", "1M")
    assert server.ask("/length", "POST", b"x" * 2_000_000).status == 413
    assert server.ask("/generator").status == 500
    until(lambda: "max_response_body_size" in server.log, "it is logged")


def test_a_trusted_proxy_names_the_client(euryale):
    fields = {
        "X-Forwarded-For": "192.0.2.7",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "example.org",
    }
    names = ["--trusted-proxy-headers", " ".join(fields).lower()]
    trusting = euryale("exchanges:app", "--trusted-proxy", "127.0.0.1", *names)
    environ = json.loads(trusting.ask("/environ", headers=fields).body)
    assert environ["REMOTE_ADDR"] == "192.0.2.7"
    assert environ["wsgi.url_scheme"] == "https"
    assert (environ["HTTP_HOST"], environ["SERVER_NAME"]) == ("example.org", "example.org")
    assert environ["SERVER_PORT"] == "443"
    assert not [name for name in environ if name.startswith("HTTP_X_FORWARDED")]


def test_forwarded_fields_of_others_never_reach_the_application(euryale):
    fields = {
        "Forwarded": "for=192.0.2.7;proto=https",
        "X-Forwarded-For": "192.0.2.7",
        "X-Forwarded-Host": "example.org",
        "X-Forwarded-Port": "443",
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-Proto": "https",
    }
    for trusted in [[], ["--trusted-proxy", "192.0.2.1"]]:
        server = euryale("exchanges:app", *trusted)
        environ = json.loads(server.ask("/environ", headers=fields).body)
        assert environ["REMOTE_ADDR"] == "127.0.0.1"
        assert environ["wsgi.url_scheme"] == "http"
        assert environ["HTTP_HOST"] == f"127.0.0.1:{server.port}"
        assert not [name for name in environ if "FORWARDED" in name]


def test_a_client_cannot_forge_its_address_where_all_proxies_are_trusted(euryale):
    fields = {"X-Forwarded-For": "192.0.2.66, 192.0.2.2, 192.0.2.3"}
    for count, client in [([], "192.0.2.3"), (["--trusted-proxy-count", "2"], "192.0.2.2")]:
        server = euryale("exchanges:app", "--trusted-proxy", "*", *count)
        environ = json.loads(server.ask("/environ", headers=fields).body)
        assert environ["REMOTE_ADDR"] == client


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--threads", "0"], "threads"),
        (["--listen", "127.0.0.1"], "listen"),
        (["--trusted-proxy", "nobody"], "trusted_proxy"),
        (["--config", "missing.toml"], "missing.toml"),
    ],
)
def test_a_wrong_setting_is_one_line(euryale, arguments, said):
    server = euryale("plain:app", *arguments, ready=False)
    assert server.wait() == 1
    assert server.log.startswith("euryale: ") and said in server.log
    assert server.log.count("\n") == 1


def test_variables_count_before_the_file_and_flags_before_them(plain, tmp_path):
    config = tmp_path / "euryale.toml"
    config.write_text('threads = 1\nurl_prefix = "/file"\n')
    server = plain("--config", str(config), "--threads", "2", EURYALE_THREADS="3")
    until(lambda: server.metric("euryale_connections_cap") == 2, "the flag counts")


def test_a_flag_replaces_the_file_under_any_name(monkeypatch, tmp_path):
    from euryale.__main__ import parser, settings

    config = tmp_path / "euryale.toml"
    config.write_text('max-upload = "1M"\nconnections = 1\nlisten = "8080"\n')
    monkeypatch.setenv("EURYALE_CONNECTIONS", "3")
    monkeypatch.setenv("EURYALE_UNIX_SOCKET", "/run/x")
    arguments = ["--config", str(config), "--max-request-body-size", "2M"]
    options = parser().parse_args(["m:app", *arguments, "--host", "::1", "--port", "80"])
    assert settings(options, {}) == {
        "host": "::1",
        "max_request_body_size": "2M",
        "port": "80",
        "threads": "3",
    }


def test_an_import_error_shows_its_traceback(euryale, tmp_path):
    server = euryale("nowhere:app", ready=False)
    assert server.wait() == 1
    assert "ModuleNotFoundError: No module named 'nowhere'" in server.log
    assert "Traceback" in server.log


def test_waitress_keys_in_an_ini_file(runwsgi, euryale, tmp_path):
    ini = tmp_path / "app.ini"
    lines = [
        "[app:main]",
        "paste.app_factory = pasted:factory",
        "[server:main]",
        "use = egg:euryale#main",
        "listen = 127.0.0.1:0",
        "threads = 2",
        "channel_timeout = 60",
        "clear_untrusted_proxy_headers = true",
        "max_request_body_size = 1073741824",
        "outbuf_high_watermark = 16777216",
    ]
    ini.write_text("\n".join(lines))
    server = euryale(str(ini), ready=False)
    server.admin = 0
    assert "unknown" not in until(lambda: server.log, "it starts")
    server.started()
    assert server.ask("/").text == "pasted"
    ini.write_text("\n".join([*lines, "thread = 2"]))
    wrong = euryale(str(ini), ready=False)
    assert wrong.wait() == 1
    assert '"thread"' in wrong.log and wrong.log.count("\n") == 1


def test_readiness_waits_for_the_import(euryale, tmp_path):
    module = APPS / "slowly.py"
    gate = tmp_path / "gate"
    server = euryale("slowly:app", ready=False, GATE=str(gate))
    assert module.exists()

    def answered():
        try:
            return server.operators("/livez").status == 200
        except OSError:
            return False

    until(answered, "operators are answered")
    assert server.operators("/readyz").status == 503
    gate.touch()
    server.started()
    assert server.operators("/readyz").status == 200


def test_user_signals_stay_pythons(plain):
    server = plain()
    server.send(signal.SIGUSR1)
    server.send(signal.SIGUSR2)
    until(lambda: {"USR1", "USR2"} <= set(server.ask("/seen").text.split()), "handlers ran")
    assert server.stop() == 0


def test_a_drain_finishes_what_has_begun(plain):
    server = plain("--threads", "2")
    with ThreadPoolExecutor(4) as clients:
        waiting = clients.submit(server.ask, "/wait?a")
        until(lambda: server.metric("euryale_publishers_running") == 1, "it is at work")
        opener = server.connect()
        opener.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n")
        server.send(signal.SIGTERM)
        until(lambda: "draining" in server.log, "it drains")
        # A request whose head had begun is answered, too.
        opener.sendall(b"\r\n")
        assert b"200 OK" in opener.recv(65536)
        server.open("a")
        assert waiting.result().text == "waited"
    assert server.wait() == 0


def test_idle_sockets_keep_no_operator_out(plain):
    server = plain()
    idle = []
    try:
        for _ in range(70):
            idle.append(socket.create_connection(("127.0.0.1", server.admin), timeout=PATIENCE))
        began = time.monotonic()
        assert server.operators("/readyz").status == 200
        # Idle sockets are closed after 10 s, in which nobody else would be answered.
        assert time.monotonic() - began < 5
    finally:
        for peer in idle:
            peer.close()
    assert server.stop() == 0


@pytest.mark.parametrize("path", ["/stuck", "/held"])
def test_a_stuck_worker_is_named_and_does_not_keep_the_process(plain, path):
    server = plain("--threads", "2", "--drain", "1s", "--gil-timeout", "10m")
    peer = server.connect()
    peer.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    until(lambda: server.metric("euryale_publishers_running") == 1, "it is stuck")
    for page in ["/livez", "/readyz", "/metrics", "/status"]:
        assert server.operators(page).status == 200
    assert re.fullmatch(r"up ready \d+% maxconn:\d+", server.agent_check())
    if path == "/held":
        assert re.search(r"GET /held", server.operators("/status").text)
    server.send(signal.SIGTERM)
    began = time.monotonic()
    assert server.wait() == 3
    assert time.monotonic() - began < 15
    # With the GIL held it is Rust that writes this, at the last moment.
    assert re.search(rf"euryale-[01] has not returned from GET {path}", server.log)
    if path == "/stuck":
        assert "ending without euryale-" in server.log


def test_operators_are_answered_at_once_while_every_worker_holds_the_gil(plain):
    """The first worker holds it, in C code; the others can only wait for it."""
    server = plain("--threads", "3", "--drain", "1s", "--gil-timeout", "10m")
    # The main thread needs the GIL to start them.
    until(lambda: server.ask("/threads").text == "3", "all workers have a thread")
    peers = [server.connect() for _ in range(6)]
    for peer in peers:
        peer.sendall(b"GET /held HTTP/1.1\r\nHost: h\r\n\r\n")
    until(lambda: server.metric("euryale_publishers_running") == 3, "all workers are taken")
    until(lambda: server.metric("euryale_queue_depth") == 3, "the others wait")

    def seconds(ask) -> float:
        times = []
        for _ in range(5):
            began = time.monotonic()
            ask()
            times.append(time.monotonic() - began)
        # The least: the machine may have other work, but a lock would delay all of them.
        return min(times)

    for page in ["/livez", "/readyz", "/metrics", "/status"]:
        assert seconds(lambda page=page: server.operators(page)) < 0.05, page
    assert seconds(server.agent_check) < 0.05
    weight = re.match(r"up ready (\d+)%", server.agent_check()).group(1)
    assert int(weight) < 100, "balancers send less to a server whose workers are taken"
    server.send(signal.SIGTERM)
    until(lambda: server.agent_check().startswith("drain"), "balancers learn of the drain")
    assert server.wait() == 3


def test_a_pid_file_is_there_while_the_process_serves(plain, tmp_path):
    path = tmp_path / "euryale.pid"
    path.write_text("1\n")
    server = plain("--pid-file", str(path))
    assert path.read_text() == f"{server.process.pid}\n"
    assert server.ask("/fork").text == str(-signal.SIGTERM)
    assert path.exists(), "a child does not remove it"
    assert server.stop() == 0
    assert not path.exists()
    again = plain(EURYALE_PID_FILE=str(path), EURYALE_DRAIN="1s")
    path.write_text("1\n")
    assert again.stop() == 0
    assert path.read_text() == "1\n", "the file of another process stays"


def test_a_pid_file_is_removed_although_a_worker_is_stuck(plain, tmp_path):
    path = tmp_path / "euryale.pid"
    server = plain("--pid-file", str(path), "--drain", "1s")
    peer = server.connect()
    peer.sendall(b"GET /stuck HTTP/1.1\r\nHost: h\r\n\r\n")
    until(lambda: server.metric("euryale_publishers_running") == 1, "it is stuck")
    assert server.stop() == 3
    assert not path.exists()


def test_a_pid_file_that_cannot_be_written_is_one_line(euryale, tmp_path):
    server = euryale("plain:app", "--pid-file", str(tmp_path / "no" / "file"), ready=False)
    assert server.wait() == 1
    assert server.log.startswith("euryale: pid_file: ") and server.log.count("\n") == 1


def test_sigterm_under_load_loses_nothing_that_had_begun(euryale):
    """Of each request that the application has seen, the client has the whole answer."""
    server = euryale("noting:app", "--threads", "4", "--drain", "60s")
    answered = set()

    def keep_asking(client: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        for number in itertools.count():
            name = f"{client}-{number}"
            try:
                connection.request("POST", f"/{name}", body=b"x" * 20_000)
                response = connection.getresponse()
                body = response.read()
            except (OSError, http.client.HTTPException):
                # The socket was closed between two requests, or nobody listens any more.
                return
            assert response.status == 200
            assert body == noting.answer(name)
            answered.add(name)

    with ThreadPoolExecutor(40) as clients:
        asking = [clients.submit(keep_asking, client) for client in range(40)]
        until(lambda: len(answered) > 400, "all clients are at it")
        server.send(signal.SIGTERM)
        for one in asking:
            one.result()
    assert server.wait() == 0
    begun = set((server.log_path.parent / "begun").read_text().split())
    assert len(begun) > 400
    assert begun <= answered, f"{len(begun - answered)} of {len(begun)} were lost"


def test_a_second_signal_ends_the_drain(plain):
    server = plain("--drain", "1h")
    peer = server.connect()
    peer.sendall(b"GET /stuck HTTP/1.1\r\nHost: h\r\n\r\n")
    until(lambda: server.metric("euryale_publishers_running") == 1, "it is stuck")
    server.send(signal.SIGTERM)
    until(lambda: "draining" in server.log, "it drains")
    server.send(signal.SIGTERM)
    assert server.wait() == 3


def test_starts_and_stops_end_without_a_crash(plain):
    for _ in range(STARTS):
        server = plain("--threads", "4")
        assert server.ask("/").body == b"hello"
        server.send(signal.SIGTERM)
        assert server.wait() == 0, server.log
        assert "Fatal" not in server.log


@pytest.mark.parametrize("left", ["thread", "atexit"])
def test_what_an_application_leaves_behind_does_not_keep_the_process(euryale, left):
    server = euryale("lingering:app", "--drain", "2s", LEFT=left)
    server.send(signal.SIGTERM)
    assert server.wait() == 3
    assert "the interpreter has not ended within" in server.log
    if left == "thread":
        assert re.search(r"waiting at most \d\.\d s for lingering", server.log)


def test_a_signal_ends_a_process_that_waits_for_a_thread(euryale):
    server = euryale("lingering:app", "--drain", "1h", LEFT="thread")
    server.send(signal.SIGTERM)
    until(lambda: "for lingering" in server.log, "the server has ended")
    server.send(signal.SIGTERM)
    assert server.wait() == -signal.SIGTERM


def test_forked_children_end_by_sigterm(plain):
    server = plain()
    assert server.ask("/fork").text == str(-signal.SIGTERM)
    assert server.ask("/").body == b"hello"
    assert server.stop() == 0


def test_four_hundred_threads_are_started(plain):
    server = plain("--threads", "400")
    until(lambda: server.ask("/threads").text == "400", "all of them are there")
    assert server.stop() == 0


def test_a_thread_that_could_not_be_started_is_not_dismissed(euryale, tmp_path):
    config = tmp_path / "euryale.toml"
    config.write_text("threads = 3\n")
    server = euryale("fewer:app", "--config", str(config))
    until(lambda: "no thread for a worker" in server.log, "the third fails")
    until(lambda: server.metric("euryale_connections_cap") == 2, "there is none for a third job")
    config.write_text("threads = 1\n")
    server.send(signal.SIGHUP)
    until(lambda: server.metric("euryale_connections_cap") == 1, "the file is read again")
    until(lambda: server.ask("/").text == "1", "one of two is left", patience=20)
    assert server.stop() == 0


def test_a_server_without_any_thread_ends(euryale):
    server = euryale("fewer:app", "--threads", "2", ready=False, FAILS="euryale-0 euryale-1")
    assert server.wait() == 3
    assert "draining: there is no thread for any worker" in server.log


def test_an_exception_in_a_signal_handler_begins_a_drain(euryale):
    server = euryale("lingering:app", LEFT="nothing")
    # A worker answers, so the main thread waits for orders: it has left `logging`, which swallows
    # exceptions.
    assert server.ask("/").text == "lingering"
    server.send(signal.SIGUSR1)
    assert server.wait() == 0
    assert "draining after an exception in the main thread" in server.log
    assert "LookupError: a handler raised this" in server.log


def test_a_broken_file_of_settings_leaves_the_server_as_it_was(euryale, tmp_path):
    ini = tmp_path / "app.ini"
    app = "[app:main]\npaste.app_factory = pasted:factory\n"
    good = app + "[server:main]\nuse = egg:euryale#main\nthreads = 1\n"
    ini.write_text(good)
    server = euryale(str(ini))
    unchanged = "reload: the settings stay as they were"
    broken = [
        "[server:main\n",
        "no section\n" + good,
        good.replace("euryale#main", "nowhere#main"),
        good.replace("threads = 1", "threads = %(missing)s"),
        good.replace("threads = 1", "threads = none"),
        None,
    ]
    for number, text in enumerate(broken, 1):
        ini.unlink() if text is None else ini.write_text(text)
        server.send(signal.SIGHUP)
        until(lambda: server.log.count(unchanged) == number, f"it is refused: {text}")
    ini.write_text(good.replace("threads = 1", "threads = 3"))
    server.send(signal.SIGHUP)
    until(lambda: server.metric("euryale_connections_cap") == 3, "the file is whole again")
    assert server.ask("/").text == "pasted"
    assert server.stop() == 0


def test_an_ini_file_that_cannot_be_read_is_one_line(euryale, tmp_path):
    ini = tmp_path / "app.ini"
    for text in [None, "no section\n", "[server:main]\nuse = egg:nowhere#main\n"]:
        if text is not None:
            ini.write_text(text)
        server = euryale(str(ini), ready=False)
        assert server.wait() == 1
        assert server.log.startswith(f"euryale: {ini}: ")
        assert server.log.count("\n") == 1


def test_levels_of_an_ini_file_count_from_the_start(euryale, tmp_path):
    ini = tmp_path / "app.ini"
    ini.write_text(LOGGERS)
    server = euryale(str(ini))
    assert server.ask("/").text == "pasted"
    until(lambda: 'INFO euryale.access 127.0.0.1 "GET / ' in server.log, "requests are logged")


def test_a_second_server_of_a_process_drains(tmp_path):
    log = tmp_path / "server.log"
    with log.open("wb") as file:
        process = subprocess.Popen([sys.executable, APPS / "twice.py"], stdout=file, stderr=file)
    try:
        for number in (1, 2):
            until(lambda: log.read_text().count("serving on") == number, f"server {number} starts")
            process.send_signal(signal.SIGTERM)
            until(lambda: f"ended {number} with 0" in log.read_text(), f"server {number} ends")
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def test_requests_are_logged_if_asked_for(plain):
    server = plain("--access-log")
    server.ask("/?q", headers={"User-Agent": "a test"})
    line = r'INFO euryale\.access: 127\.0\.0\.1 "GET /\?q HTTP/1\.1" 200 5 "-" "a test" 0\.\d+'
    until(lambda: re.search(line, server.log), "the line is there")
    with server.connect() as peer:
        peer.sendall(b'GET /"%20200%205%20"-" HTTP/1.1\r\nHost: h\r\n\r\n')
        peer.recv(65536)
    line = r'127\.0\.0\.1 "GET /\\"%20200%205%20\\"-\\" HTTP/1\.1" 200 '
    until(lambda: re.search(line, server.log), "quotes in a target are escaped")


def test_from_python(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import euryale\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [b'x']\n"
        "print(euryale.serve(app, listen=['nonsense']))\n"
    )
    ended = subprocess.run([sys.executable, program], capture_output=True, text=True)
    assert ended.returncode == 1
    assert "listen = \"nonsense\"" in ended.stderr
