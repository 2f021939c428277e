"""What the tests share: servers that are started as users start them."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
APPS = HERE / "apps"

#: For whatever is waited for. Nothing sleeps for a fixed time.
PATIENCE = 60.0

#: How often the processes of a server are replaced under load.
ROLLS = int(os.environ.get("EURYALE_ROLLS", "2"))


def until(found: Callable[[], object], what: str, patience: float = PATIENCE):
    """Poll until ``found`` returns something true, and return it."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        result = found()
        if result:
            return result
        time.sleep(0.01)
    raise AssertionError(f"not within {patience} s: {what}")


class Served:
    """A server in a process of its own."""

    def __init__(
        self,
        command: list[str],
        folder: Path,
        environment: dict[str, str],
        descriptors: list[int] | None = None,
    ):
        self.log_path = folder / "server.log"
        self.log_file = self.log_path.open("wb")
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(APPS), "PYTHONUNBUFFERED": "1", **environment},
            stdout=self.log_file,
            stderr=subprocess.STDOUT,
            pass_fds=descriptors or (),
        )
        self.port = 0
        self.admin = 0
        self.agent = 0

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def started(self) -> "Served":
        """Wait until it serves, and learn its ports, which the system has chosen."""

        def serving():
            assert self.process.poll() is None, self.log
            return re.search(r"serving on http://127\.0\.0\.1:(\d+)", self.log)

        self.port = int(until(serving, "the server starts").group(1))
        return self

    def ask(self, path: str = "/", method: str = "GET", body=None, headers=None) -> "Answer":
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.reason, response.headers, response.read())
        finally:
            connection.close()

    def operators(self, path: str) -> "Answer":
        url = f"http://127.0.0.1:{self.admin}{path}"
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as response:
                return Answer(response.status, response.reason, response.headers, response.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.reason, error.headers, error.read())

    def agent_check(self) -> str:
        """The answer to HAProxy's agent check."""
        with socket.create_connection(("127.0.0.1", self.agent), timeout=PATIENCE) as peer:
            answer = b""
            while more := peer.recv(4096):
                answer += more
        return answer.decode().strip()

    def metric(self, name: str) -> float:
        """The sum of a metric over all series, or over those with the labels in the name."""
        text = self.operators("/metrics").text
        metric, _, labels = name.rstrip("}").partition("{")
        wanted = {label for label in labels.split(",") if label}
        series = re.findall(rf"^{metric}(?:{{([^}}]*)}})? (\S+)$", text, re.MULTILINE)
        values = [value for labels, value in series if wanted <= set(labels.split(","))]
        assert values, f"no metric {name}"
        return sum(map(float, values))

    def memory(self) -> int:
        """Resident memory in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) * 1024

    def bytes_read(self) -> int:
        """The bytes that the process has read, by read(2), sendfile(2) and their like."""
        counts = Path(f"/proc/{self.process.pid}/io").read_text()
        return int(re.search(r"rchar: (\d+)", counts).group(1))

    def open(self, *names: str) -> None:
        """Make these files in the server's folder, which calls of it wait for."""
        for name in names:
            (self.log_path.parent / name).touch()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        return self.process.wait(PATIENCE)

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        if self.process.poll() is None:
            self.send(signal.SIGTERM)
        try:
            return self.wait()
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.log_file.close()


class Answer:
    def __init__(self, status: int, reason: str, headers, body: bytes):
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = body

    @property
    def text(self) -> str:
        return self.body.decode()


#: The gauges that are zero while no request and no call after a commit is under way.
QUIET = (
    "euryale_publishers_running",
    "euryale_requests_suspended",
    "euryale_promises_running",
    'euryale_lane_running{lane="python"}',
    'euryale_lane_waiting{lane="python"}',
    'euryale_lane_running{lane="python-streams"}',
    'euryale_lane_waiting{lane="python-streams"}',
)


def quiet(server: Served, *gauges: str) -> None:
    """Wait until nothing is under way. Each transaction has then ended."""
    for gauge in (*QUIET, *gauges):
        until(lambda: server.metric(gauge) == 0, f"{gauge} is 0")
    ends = ("committed", "aborted", "in_doubt")
    ended = sum(server.metric(f"euryale_transactions_{end}_total") for end in ends)
    assert server.metric("euryale_transactions_begun_total") == ended


def children(server: Served) -> set[int]:
    """The processes of a server of several that serve."""
    return set(map(int, re.findall(r"pid (\d+), serves", server.operators("/status").text)))


def free_ports(count: int) -> list[int]:
    """As many ports, each another one, that nobody has now.

    They are below those that the kernel chooses from, for port 0 and for sockets that connect.
    Otherwise another program could get one of them before the server is started.
    """
    ports = []
    with contextlib.ExitStack() as stack:
        while len(ports) < count:
            probe = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                port = random.randrange(20_000, 32_768)
                probe.bind(("127.0.0.1", port))
                ports.append(port)
    return ports


@pytest.fixture(scope="session")
def pypi() -> None:
    """Skip the test if ``cargo xtask python`` has found that the package index does not answer."""
    if reason := os.environ.get("PACKAGE_INDEX_ERROR"):
        pytest.skip(f"the package index cannot be reached: {reason}")


@pytest.fixture
def euryale(tmp_path) -> Iterator[Callable[..., Served]]:
    """Start the command ``euryale`` with these arguments; operators and agents are answered, too."""
    running: list[Served] = []

    def start(*arguments: str, ready: bool = True, **environment: str) -> Served:
        folder = tmp_path / f"server-{len(running)}"
        folder.mkdir()
        admin, agent = free_ports(2)
        command = [sys.executable, "-m", "euryale", *arguments]
        command += ["--admin", f"127.0.0.1:{admin}", "--agent", f"127.0.0.1:{agent}"]
        if not any(argument.startswith("--listen") for argument in arguments):
            command += ["--listen", "127.0.0.1:0"]
        server = Served(command, folder, environment)
        server.admin = admin
        server.agent = agent
        running.append(server)
        return server.started() if ready else server

    yield start
    for server in running:
        server.process.kill() if server.process.poll() is None else None
        server.process.wait()
        server.log_file.close()


@pytest.fixture
def runwsgi(tmp_path) -> Iterator[Callable[..., Served]]:
    """Start Zope's ``runwsgi`` with this ini file and these options."""
    running: list[Served] = []

    def start(ini: Path, *options: str, folder: Path = tmp_path) -> Served:
        program = Path(sys.executable).with_name("runwsgi")
        server = Served([str(program), *options, str(ini)], folder, {})
        running.append(server)
        return server

    yield start
    for server in running:
        server.process.kill() if server.process.poll() is None else None
        server.process.wait()
        server.log_file.close()


def zope_instance(folder: Path) -> Path:
    """Make an instance as mkwsgiinstance does, with our server in place of waitress."""
    program = Path(sys.executable).with_name("mkwsgiinstance")
    subprocess.run([program, "-d", folder, "-u", "admin:admin"], check=True)
    ini = folder / "etc" / "zope.ini"
    text = ini.read_text().replace("egg:waitress#main", "egg:euryale#main")
    text = text.replace("port = 8080", "port = 0\nthreads = 2")
    ini.write_text(re.sub(r"    translogger\n", "", text))
    return ini


def use_factory(ini: Path, factory: str) -> None:
    """Let this function make the application of the instance."""
    text = ini.read_text()
    ini.write_text(text.replace("use = egg:Zope#main", f"paste.app_factory = {factory}"))


@pytest.fixture
def zope(tmp_path, runwsgi):
    """Start an instance with these options."""
    ini = zope_instance(tmp_path / "instance")

    def start(*options: str, factory: str = "") -> Served:
        if factory:
            use_factory(ini, factory)
        server = runwsgi(ini, *options, folder=ini.parents[1]).started()
        server.folder = ini.parents[1]
        return server

    return start
