"""Threads, files, slow clients, settings, signals and the end."""

import hashlib
import re
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import APPS, Served, until

#: More than any socket's buffers hold.
BIG = b"".join(hashlib.sha256(str(i).encode()).digest() for i in range(1_000_000))


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
        until(lambda: server.metric("euryale_queue_depth") == 2, "one is at work")
        assert server.metric(running) == 1
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
    assert "max_response_body_size" in server.log


def test_a_trusted_proxy_names_the_client(euryale):
    fields = {
        "X-Forwarded-For": "192.0.2.7",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "example.org",
    }
    import json

    trusting = euryale("exchanges:app", "--trusted-proxy", "127.0.0.1")
    environ = json.loads(trusting.ask("/environ", headers=fields).body)
    assert environ["REMOTE_ADDR"] == "192.0.2.7"
    assert environ["wsgi.url_scheme"] == "https"
    assert (environ["HTTP_HOST"], environ["SERVER_NAME"]) == ("example.org", "example.org")
    assert environ["SERVER_PORT"] == "443"
    alone = euryale("exchanges:app")
    environ = json.loads(alone.ask("/environ", headers=fields).body)
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert environ["wsgi.url_scheme"] == "http"


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


@pytest.mark.parametrize("path", ["/stuck", "/held"])
def test_a_stuck_worker_is_named_and_does_not_keep_the_process(plain, path):
    server = plain("--threads", "2", "--drain", "1s")
    peer = server.connect()
    peer.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    until(lambda: server.metric("euryale_publishers_running") == 1, "it is stuck")
    for page in ["/livez", "/metrics", "/status"]:
        assert server.operators(page).status == 200
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
    for _ in range(20):
        server = plain("--threads", "4")
        assert server.ask("/").body == b"hello"
        server.send(signal.SIGTERM)
        assert server.wait() == 0, server.log
        assert "Fatal" not in server.log


def test_requests_are_logged_if_asked_for(plain):
    server = plain("--access-log")
    server.ask("/?q", headers={"User-Agent": "a test"})
    line = r'INFO euryale\.access: 127\.0\.0\.1 "GET /\?q HTTP/1\.1" 200 5 "-" "a test" 0\.\d+'
    until(lambda: re.search(line, server.log), "the line is there")


def test_from_python(tmp_path):
    import subprocess

    program = Path(tmp_path / "program.py")
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
