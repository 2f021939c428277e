"""What is around the application: sockets, TLS, HTTP/2, proxies, systemd."""

import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import trustme

from conftest import PATIENCE, Served, children, quiet, until


class Certified:
    """A certificate for 127.0.0.1, its files, and a client that trusts it."""

    def __init__(self, folder: Path):
        self.cert = folder / "cert.pem"
        self.key = folder / "key.pem"
        self.issue()

    def issue(self) -> None:
        """Write another certificate, of another authority."""
        self.authority = trustme.CA()
        issued = self.authority.issue_cert("127.0.0.1")
        issued.private_key_pem.write_to_path(self.key)
        self.cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))

    @property
    def settings(self) -> list[str]:
        return ["--tls-cert", str(self.cert), "--tls-key", str(self.key)]

    def client(self, **options) -> httpx.Client:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return httpx.Client(verify=context, timeout=PATIENCE, **options)


@pytest.fixture
def certified(tmp_path) -> Certified:
    return Certified(tmp_path)


def tls_port(server: Served) -> int:
    found = until(lambda: re.search(r"serving on https://[^ ]*:(\d+)", server.log), "TLS is served")
    return int(found.group(1))


def unix_client(path: Path) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("localhost", timeout=PATIENCE)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(PATIENCE)
    connection.sock.connect(str(path))
    return connection


def ask_unix(path: Path, target: str, headers=None) -> bytes:
    connection = unix_client(path)
    try:
        connection.request("GET", target, headers=headers or {})
        return connection.getresponse().read()
    finally:
        connection.close()


def test_tls_names_its_scheme_and_port(euryale, certified):
    server = euryale(
        "exchanges:app", "--listen", "127.0.0.1:0 tls:127.0.0.1:0", *certified.settings
    )
    port = tls_port(server)
    with certified.client() as client:
        environ = client.get(f"https://127.0.0.1:{port}/environ").json()
    assert (environ["wsgi.url_scheme"], environ["SERVER_PORT"]) == ("https", str(port))
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    plain = json.loads(server.ask("/environ").body)
    assert (plain["wsgi.url_scheme"], plain["SERVER_PORT"]) == ("http", str(server.port))
    assert server.stop() == 0


def test_http_2_is_negotiated_and_known_in_advance(euryale, certified):
    server = euryale("plain:app", "--listen", "127.0.0.1:0 tls:127.0.0.1:0", *certified.settings)
    big = b"x" * 3_000_000
    (server.log_path.parent / "big.bin").write_bytes(big)
    encrypted = certified.client(http2=True), f"https://127.0.0.1:{tls_port(server)}"
    known = httpx.Client(http1=False, http2=True, timeout=PATIENCE)
    for client, place in [encrypted, (known, f"http://127.0.0.1:{server.port}")]:
        with client, ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(client.get, [f"{place}/file"] * 8))
            posted = client.post(f"{place}/length", content=big)
        assert {answer.http_version for answer in [*answers, posted]} == {"HTTP/2"}
        assert all(answer.content == big for answer in answers)
        assert posted.text == f"{len(big)} {len(big)}"
    assert server.stop() == 0


def test_static_and_named_files_are_the_same_over_tls_and_http_2(euryale, certified, tmp_path):
    big = b"0123456789" * 300_000
    (tmp_path / "big.bin").write_bytes(big)
    server = euryale(
        "orders:app",
        *["--listen", "127.0.0.1:0", "--listen", "tls:127.0.0.1:0", *certified.settings],
        *["--static", f"/static={tmp_path}", "--sendfile", f"/protected={tmp_path}"],
    )
    encrypted = f"https://127.0.0.1:{tls_port(server)}"
    plain = f"http://127.0.0.1:{server.port}"
    for client, place in [
        (certified.client(http2=True), encrypted),
        (certified.client(), encrypted),
        (httpx.Client(http1=False, http2=True, timeout=PATIENCE), plain),
    ]:
        for path in ["/static/big.bin", "/named?X-Accel-Redirect=/protected/big.bin"]:
            whole = client.get(place + path)
            assert (whole.status_code, whole.content == big) == (200, True)
            part = client.get(place + path, headers={"Range": "bytes=1000000-1000009"})
            assert (part.status_code, part.content) == (206, b"0123456789")
            assert "x-accel-redirect" not in whole.headers
        client.close()
    quiet(server, "euryale_blobs_open")
    assert server.stop() == 0


def test_http_2_is_a_protocol_that_zope_can_split(euryale):
    server = euryale("exchanges:app")
    with httpx.Client(http1=False, http2=True, timeout=PATIENCE) as client:
        environ = client.get(f"http://127.0.0.1:{server.port}/environ").json()
    assert environ["SERVER_PROTOCOL"] == "HTTP/2.0"
    assert environ["HTTP_HOST"] == f"127.0.0.1:{server.port}"


def test_sighup_reads_the_certificates_again(euryale, certified, tmp_path):
    config = tmp_path / "euryale.toml"
    config.write_text("threads = 1\n")
    listen = "127.0.0.1:0 tls:127.0.0.1:0"
    arguments = ["--config", str(config), "--listen", listen, *certified.settings]
    server = euryale("plain:app", *arguments)
    url = f"https://127.0.0.1:{tls_port(server)}/"
    with certified.client() as client:
        assert client.get(url).text == "hello"
    certified.cert.write_text("no certificate")
    server.send(signal.SIGHUP)
    until(lambda: "the settings stay as they were: tls_cert" in server.log, "they are refused")
    with certified.client() as client:
        assert client.get(url).text == "hello"
    certified.issue()
    server.send(signal.SIGHUP)
    until(lambda: "certificates are set" in server.log, "they are read")
    with certified.client() as client:
        assert client.get(url).text == "hello", "the other authority is trusted now"


def test_sighup_without_tls_says_nothing_of_certificates(euryale, tmp_path):
    config = tmp_path / "euryale.toml"
    config.write_text("threads = 1\n")
    server = euryale("plain:app", "--config", str(config))
    server.send(signal.SIGHUP)
    until(lambda: "reload: threads, max_queue and max_wait are set" in server.log, "it is read")
    assert "certificates" not in server.log


def test_tls_without_certificates_is_one_line(euryale, certified, tmp_path):
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    key = ["--tls-key", str(certified.key)]
    for arguments, said in [
        ([], "tls:127.0.0.1:0 needs certificates: set tls_cert and tls_key"),
        (["--tls-cert", str(certified.cert)], "tls_cert needs tls_key"),
        (key, "tls_key needs tls_cert"),
        (["--tls-cert", str(wrong), *key], f"tls_cert = {wrong}"),
        (["--tls-cert", str(certified.cert), "--tls-key", "nowhere"], "tls_key = nowhere"),
    ]:
        server = euryale("plain:app", "--listen", "tls:127.0.0.1:0", *arguments, ready=False)
        assert server.wait() == 1
        assert server.log.startswith("euryale: ") and server.log.count("\n") == 1
        assert said in server.log


def test_a_unix_socket_has_its_mode_and_its_proxy_names_the_client(euryale, tmp_path):
    path = tmp_path / "socket"
    settings = ["--unix-socket-perms", "660", "--trusted-proxy", "unix"]
    server = euryale("exchanges:app", "--listen", f"127.0.0.1:0 unix:{path}", *settings)
    assert path.stat().st_mode & 0o777 == 0o660
    environ = json.loads(ask_unix(path, "/environ"))
    assert "REMOTE_ADDR" not in environ
    fields = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
    environ = json.loads(ask_unix(path, "/environ", fields))
    assert (environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]) == ("192.0.2.7", "https")
    assert server.stop() == 0
    assert not path.exists(), "it is removed at the end"


def test_the_prefix_is_the_settings_and_the_proxys(euryale):
    fields = ["--trusted-proxy-headers", "x-forwarded-for x-forwarded-prefix"]
    settings = ["--url-prefix", "/app", "--trusted-proxy", "127.0.0.1"]
    server = euryale("exchanges:app", *settings, *fields)

    def mounted(path: str, prefix: str | None = None) -> tuple[str, str]:
        fields = {"X-Forwarded-Prefix": prefix} if prefix else {}
        environ = json.loads(server.ask(path, headers=fields).body)
        return environ["SCRIPT_NAME"], environ["PATH_INFO"]

    assert mounted("/app/environ") == ("/app", "/environ")
    assert mounted("/environ") == ("/app", "/environ")
    assert mounted("/app/environ", "/outer") == ("/outer/app", "/environ")


def test_the_host_and_the_prefix_of_a_proxy_count_only_when_asked_for(euryale):
    fields = {
        "X-Forwarded-For": "192.0.2.7",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "forged.example",
        "X-Forwarded-Port": "4711",
        "X-Forwarded-Prefix": "/forged",
    }

    def seen(*settings: str) -> dict[str, str]:
        server = euryale("exchanges:app", "--trusted-proxy", "127.0.0.1", *settings)
        return json.loads(server.ask("/environ", headers={"Host": "site.example", **fields}).body)

    environ = seen()
    assert (environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]) == ("192.0.2.7", "https")
    assert (environ["HTTP_HOST"], environ["SCRIPT_NAME"]) == ("site.example", "")
    assert environ["SERVER_PORT"] != "4711"
    assert not [name for name in environ if name.startswith("HTTP_X_FORWARDED")]
    environ = seen("--trusted-proxy-headers", " ".join(fields).lower())
    assert (environ["HTTP_HOST"], environ["SCRIPT_NAME"]) == ("forged.example:4711", "/forged")


def test_the_address_of_a_client_of_a_dual_stack_socket_is_its_own(tmp_path):
    listener = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    given = {"http": high(listener)}
    systemd = Systemd(tmp_path)
    server = systemd.start(tmp_path, given, ["exchanges:app"])
    try:
        systemd.heard("READY=1")
        url = f"http://127.0.0.1:{given['http'].getsockname()[1]}/environ"
        environ = httpx.get(url, timeout=PATIENCE).json()
        assert environ["REMOTE_ADDR"] == "127.0.0.1"
    finally:
        server.process.kill()
        server.process.wait()
        server.log_file.close()


def test_a_balancer_names_the_client_by_the_proxy_protocol(euryale):
    server = euryale("exchanges:app", "--proxy-protocol", "127.0.0.1")

    def answer(beginning: bytes) -> bytes:
        with server.connect() as peer:
            peer.sendall(beginning + b"GET /environ HTTP/1.0\r\nHost: h\r\n\r\n")
            received = b""
            try:
                while more := peer.recv(65536):
                    received += more
            except ConnectionResetError:
                pass
            return received

    named = answer(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n")
    environ = json.loads(named.partition(b"\r\n\r\n")[2])
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("192.0.2.7", "4711")
    assert b"environ" not in answer(b""), "without it the peer is closed"


def test_one_request_more_than_may_wait_is_refused(euryale):
    server = euryale("plain:app", "--threads", "1", "--max-queue", "1")
    with ThreadPoolExecutor(2) as clients:
        first = clients.submit(server.ask, "/wait?a")
        until(lambda: server.metric("euryale_publishers_running") == 1, "it is at work")
        second = clients.submit(server.ask, "/wait?b")
        until(lambda: server.metric("euryale_queue_depth") == 1, "it waits")
        refused = server.ask("/")
        assert refused.status == 503 and "Retry-After" in refused.headers
        server.open("a", "b")
        assert [first.result().text, second.result().text] == ["waited", "waited"]


#: Becomes the program of its arguments, with these sockets from descriptor 3 on.
LAUNCH = """
import os, sys
count = int(os.environ["LISTEN_FDS"])
for number, descriptor in enumerate(sys.argv[1:count + 1], 3):
    os.dup2(int(descriptor), number)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.executable, [sys.executable, *sys.argv[count + 1:]])
"""


class Systemd:
    """A supervisor that gives sockets away and is notified, as systemd."""

    def __init__(self, folder: Path):
        self.path = folder / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(PATIENCE)
        self.said: list[str] = []

    def heard(self, wanted: str) -> None:
        """Wait for this line."""
        while wanted not in self.said:
            self.said += self.socket.recv(4096).decode().splitlines()

    def is_silent(self, seconds: float = 0.2) -> bool:
        """Read what is said. Whether that is nothing for this time."""
        self.socket.settimeout(seconds)
        try:
            self.socket.recv(4096)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(PATIENCE)
        return False

    def start(
        self,
        folder: Path,
        given: dict[str, socket.socket],
        arguments: list[str],
        **environment: str,
    ) -> Served:
        descriptors = [listener.fileno() for listener in given.values()]
        environment |= {
            "LISTEN_FDS": str(len(given)),
            "LISTEN_FDNAMES": ":".join(given),
            "NOTIFY_SOCKET": str(self.path),
        }
        command = [sys.executable, "-c", LAUNCH, *map(str, descriptors), "-m", "euryale", *arguments]
        return Served(command, folder, environment, descriptors)


def high(listener: socket.socket) -> socket.socket:
    """The same socket at a descriptor that no move overwrites."""
    import fcntl

    number = fcntl.fcntl(listener.fileno(), fcntl.F_DUPFD_CLOEXEC, 50)
    return socket.socket(fileno=number)


def test_sockets_of_systemds_replace_those_of_the_settings(certified, tmp_path):
    path = tmp_path / "http.socket"
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(path))
    given = {
        "http": high(socket.create_server(("127.0.0.1", 0))),
        "tls": high(socket.create_server(("127.0.0.1", 0))),
        "local": high(unix),
    }
    given["local"].listen()
    systemd = Systemd(tmp_path)
    gate = tmp_path / "gate"
    # Nobody could bind this one.
    arguments = ["slowly:app", "--listen", "192.0.2.1:1", *certified.settings]
    server = systemd.start(tmp_path, given, arguments, GATE=str(gate))
    try:
        port = given["http"].getsockname()[1]
        with ThreadPoolExecutor(1) as clients:
            early = clients.submit(httpx.get, f"http://127.0.0.1:{port}/", timeout=PATIENCE)
            gate.touch()
            assert early.result().status_code == 200, "a peer waits during the start"
        systemd.heard("READY=1")
        with certified.client() as client:
            url = f"https://127.0.0.1:{given['tls'].getsockname()[1]}/"
            assert client.get(url).status_code == 200
        assert ask_unix(path, "/")
        server.send(signal.SIGTERM)
        systemd.heard("STOPPING=1")
        assert server.wait() == 0
        assert path.exists(), "the file of a socket of systemd's stays"
    finally:
        server.process.kill()
        server.process.wait()
        server.log_file.close()


def test_all_listeners_of_a_parent_keep_their_rules_through_a_roll(euryale, certified, tmp_path):
    path = tmp_path / "socket"
    listen = f"localhost:0 tls:127.0.0.1:0 unix:{path}"
    flags = ["--processes=2", "--listen", listen, *certified.settings]
    server = euryale("exchanges:app", *flags, "--proxy-protocol=unix")
    port = tls_port(server)
    for has_rolled in [False, True]:
        if has_rolled:
            # The certificate is read again.
            certified.issue()
            server.send(signal.SIGHUP)
            until(lambda: "all children have been replaced" in server.log, "it rolls")
        # More often than there are processes.
        for _ in range(4):
            plain = json.loads(server.ask("/environ").body)
            names = plain["wsgi.url_scheme"], plain["SERVER_NAME"], plain["SERVER_PORT"]
            assert names == ("http", "localhost", str(server.port))
            with certified.client() as client:
                environ = client.get(f"https://127.0.0.1:{port}/environ").json()
            assert environ["SERVER_PORT"] == str(port)
            with socket.socket(socket.AF_UNIX) as peer:
                peer.connect(str(path))
                header = b"PROXY TCP4 192.0.2.7 127.0.0.1 4000 80\r\n"
                peer.sendall(header + b"GET /environ HTTP/1.0\r\nHost: h\r\n\r\n")
                answer = b"".join(iter(lambda: peer.recv(4096), b""))
            assert b'"REMOTE_ADDR": "192.0.2.7"' in answer
    assert server.log.count(f"serving on unix:{path}") == 1
    assert server.stop() == 0
    assert not path.exists()


def test_a_parent_passes_the_sockets_of_systemds_on_and_reports_for_all(certified, tmp_path):
    given = {
        "http": high(socket.create_server(("127.0.0.1", 0))),
        "tls": high(socket.create_server(("127.0.0.1", 0))),
    }
    systemd = Systemd(tmp_path)
    arguments = ["exchanges:app", "--processes=2", *certified.settings]
    server = systemd.start(tmp_path, given, arguments, WATCHDOG_USEC="20000000")
    try:
        systemd.heard("READY=1")
        port, tls = (given[name].getsockname()[1] for name in ("http", "tls"))
        assert httpx.get(f"http://127.0.0.1:{port}/environ").json()["SERVER_PORT"] == str(port)
        with certified.client() as client:
            url = f"https://127.0.0.1:{tls}/environ"
            assert client.get(url).json()["SERVER_PORT"] == str(tls)
        systemd.said.clear()
        server.send(signal.SIGHUP)
        systemd.heard("RELOADING=1")
        systemd.heard("READY=1")
        assert httpx.get(f"http://127.0.0.1:{port}/environ").status_code == 200
        systemd.heard("WATCHDOG=1")
        server.send(signal.SIGTERM)
        systemd.heard("STOPPING=1")
        assert server.wait() == 0
    finally:
        server.process.kill()
        server.process.wait()
        server.log_file.close()


def test_a_held_gil_is_noticed_by_balancers_and_by_the_watchdog(euryale, tmp_path):
    systemd = Systemd(tmp_path)
    environment = {"NOTIFY_SOCKET": str(systemd.path), "WATCHDOG_USEC": "20000"}
    server = euryale("plain:app", "--gil-timeout", "300ms", **environment)
    systemd.heard("WATCHDOG=1")
    fifo = server.log_path.parent / "fifo"
    os.mkfifo(fifo)
    with ThreadPoolExecutor(1) as clients:
        held = clients.submit(server.ask, "/fifo?fifo")
        until(systemd.is_silent, "the watchdog is not fed")
        assert "has run no Python code for 0.3 s" in server.log
        assert server.operators("/readyz").status == 503
        assert "has run no Python code" in server.operators("/status").text
        assert server.agent_check().startswith("down")
        fifo.write_bytes(b"x")
        assert held.result().text == "read"
    until(lambda: server.operators("/readyz").status == 200, "it is ready again")
    until(lambda: "runs Python code again" in server.log, "it is logged")
    systemd.said.clear()
    systemd.heard("WATCHDOG=1")
    assert server.stop() == 0


def test_a_parent_replaces_a_process_whose_gil_is_held(euryale, tmp_path):
    systemd = Systemd(tmp_path)
    environment = {"NOTIFY_SOCKET": str(systemd.path), "WATCHDOG_USEC": "2000000"}
    # Python's own handler writes the stacks of all threads at SIGABRT.
    environment["PYTHONFAULTHANDLER"] = "1"
    flags = ["--processes=1", "--gil-timeout=300ms"]
    server = euryale("plain:app", *flags, **environment)
    (old,) = children(server)
    os.mkfifo(server.log_path.parent / "fifo")
    with ThreadPoolExecutor(1) as clients:
        held = clients.submit(server.ask, "/fifo?fifo")
        until(lambda: "does not feed its watchdog" in server.log, "it is noticed")
        with pytest.raises((OSError, http.client.HTTPException)):
            held.result()
    assert server.ask().text == "hello"
    assert children(server).isdisjoint({old})
    assert "in page_fifo" in server.log
    assert server.stop() == 0


def test_a_socket_named_tls_needs_certificates(tmp_path):
    given = {"tls": high(socket.create_server(("127.0.0.1", 0)))}
    server = Systemd(tmp_path).start(tmp_path, given, ["plain:app"])
    assert server.wait() == 1
    assert "FileDescriptorName=tls needs certificates" in server.log
    server.log_file.close()


def test_the_unit_of_the_readme_names_settings_that_exist():
    readme = Path(__file__).parents[1] / "README.md"
    command = re.search(r"^ExecStart=\S+/euryale (.+)$", readme.read_text(), re.MULTILINE)
    known = subprocess.run(
        [sys.executable, "-m", "euryale", "--help"], capture_output=True, text=True, check=True
    ).stdout
    flags = re.findall(r"--[a-z-]+", command.group(1))
    assert flags and all(flag in known for flag in flags)
