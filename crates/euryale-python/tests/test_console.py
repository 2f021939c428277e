"""`euryale ctl`: commands at the Unix socket of a running server."""

import os
import re
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import euryale as package
import pytest
from conftest import Served, until


class Console:
    """The console of a server that is started with ``flag``."""

    def __init__(self, path):
        self.path = path
        self.flag = f"--console={path}"

    def run(self, *words: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "euryale", "ctl", self.flag, *words]
        return subprocess.run(command, capture_output=True, text=True)

    def give(self, *words: str) -> str:
        """Standard output of a command that must succeed."""
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def fail(self, *words: str) -> str:
        """Standard error of a command that must fail."""
        done = self.run(*words)
        assert done.returncode == 1 and done.stderr.startswith("error: "), done
        return done.stderr

    def fastest(self, *words: str) -> float:
        """The fastest of several answers, without the start of a program."""
        times = []
        for _ in range(10):
            began = time.perf_counter()
            assert package._euryale.ctl(str(self.path), list(words))[0]
            times.append(time.perf_counter() - began)
        return min(times)


@pytest.fixture
def console(tmp_path) -> Console:
    return Console(tmp_path / "console")


def held(server: Served, count: int) -> None:
    until(lambda: server.metric("euryale_publishers_running") == count, f"{count} are at work")


def test_commands_work_while_every_worker_is_stuck(euryale, console):
    server = euryale("plain:app", "--threads=1", console.flag, "--log-level=warning", ready=False)
    until(console.path.exists, "it listens")
    assert stat.S_IMODE(os.stat(console.path).st_mode) == 0o600
    help_text = console.give()
    for name in "drain dump log reload resize restrict roll status".split():
        assert re.search(rf"^{name}\b", help_text, re.MULTILINE), help_text
    until(lambda: "ready: yes" in console.give("status"), "it is ready")
    assert "start the program with --processes" in console.fail("roll")
    assert "too many arguments: drain" in console.fail("drain", "5m")
    assert "cannot read the filter a=loud" in console.fail("log", "a=loud")
    console.give("drain")
    assert server.wait() == 0
    # The level of the logger does not hide who has given a command.
    line = rf"INFO euryale: command given peer=uid {os.getuid()}, pid \d+ command=\"drain\""
    assert re.search(line, server.log), server.log
    assert not console.path.exists()
    assert "cannot be reached" in console.fail("status")


def test_a_dump_has_the_python_stacks_of_running_calls(euryale, console):
    server = euryale("plain:app", "--threads=2", console.flag)
    with ThreadPoolExecutor(3) as clients:
        calls = [clients.submit(server.ask, f"/wait?{name}") for name in "ab"]
        held(server, 2)
        calls.append(clients.submit(server.ask, "/"))
        until(lambda: server.metric("euryale_queue_depth") == 1, "one waits")
        status = console.give("status")
        assert "workers: 2 of 2 busy" in status and "queue: 1 jobs wait" in status

        def stacks() -> bool:
            # The interpreter of a busy machine may need more than 20 ms.
            dump = console.give("dump")
            lines = re.findall(r"^euryale-\d has run GET /wait for ", dump, re.MULTILINE)
            assert "a job holds a worker" in dump and "a job waits" in dump, dump
            return len(lines) == 2 and dump.count("in page_wait") == 2

        until(stacks, "both stacks are in the dump")
        for words in [["status"], ["dump"], ["log", "info"]]:
            assert console.fastest(*words) < 0.05, words
        assert console.give("resize", "3") == "at most 3 connections\n"
        assert calls[2].result().text == "hello"
        server.open("a", "b")
    assert server.stop() == 0


def test_a_dump_answers_while_the_gil_is_held(euryale, console):
    server = euryale("plain:app", "--threads=1", console.flag)
    fifo = server.log_path.parent / "fifo"
    os.mkfifo(fifo)
    with ThreadPoolExecutor(1) as clients:
        call = clients.submit(server.ask, "/fifo?fifo")
        held(server, 1)
        until(lambda: "python: no stacks within 20ms" in console.give("dump"), "the GIL is held")
        assert console.fastest("dump") < 0.05
        assert re.search(r"^euryale-0 has run GET /fifo for ", console.give("dump"), re.M)
        fifo.write_bytes(b"x")
        assert call.result().text == "read"
    assert server.stop() == 0


def test_the_filter_of_the_log_counts_until_the_settings_are_read_again(
    euryale, console, tmp_path
):
    config = tmp_path / "euryale.toml"
    common = f'console = "{console.path}"\ntrusted_proxy = "127.0.0.1"\n'
    common += 'trusted_proxy_headers = "x-forwarded-for"\n'
    config.write_text(f"threads = 1\n{common}")
    server = euryale("plain:app", f"--config={config}")

    def refused() -> int:
        """Make a line of the level DEBUG, and count those in the log."""
        assert server.ask("/", headers={"X-Forwarded-For": "nobody"}).status == 400
        return server.log.count(" DEBUG euryale: a trusted proxy sent a malformed report")

    assert refused() == 0
    assert console.give("log", "debug") == "the filter of the log is debug\n"
    until(refused, "lines of the level DEBUG are in the log")
    config.write_text(f"threads = 2\n{common}")
    assert console.give("reload").startswith("reloading")
    until(lambda: "workers: 0 of 2 busy" in console.give("status"), "the file is read")
    until(lambda: "reload: threads, max_queue and max_wait are set" in server.log, "it is logged")
    # The server's lines are in their order: those from before this command are in the log, too.
    until(lambda: 'command="status"' in server.log, "the line of a later command is in the log")
    before = refused()
    for _ in range(5):
        assert refused() == before
    command = [sys.executable, "-m", "euryale", "ctl", f"--config={config}", "status"]
    assert "ready: yes" in subprocess.run(command, capture_output=True, text=True).stdout
    assert server.stop() == 0


def test_a_console_that_cannot_listen_ends_the_start_with_one_line(euryale, tmp_path):
    path = tmp_path / "missing" / "console"
    server = euryale("plain:app", f"--console={path}", ready=False)
    assert server.wait() == 1
    assert server.log.startswith(f"euryale: cannot accept commands at {path}: "), server.log
    assert server.log.count("\n") == 1
    ended = subprocess.run(
        [sys.executable, "-m", "euryale", "ctl", "status"], capture_output=True, text=True
    )
    assert ended.returncode == 1 and "--console" in ended.stderr


def test_a_server_inside_a_program_has_a_console(console):
    def app(environ, start_response):
        start_response("200 OK", [])
        return [b"x"]

    server = package.create_server(app, listen="127.0.0.1:0", console=console.path)
    with ThreadPoolExecutor(1) as runner:
        ran = runner.submit(server.run)
        until(lambda: "ready: yes" in console.give("status"), "it is ready")
        console.give("drain")
        assert ran.result() == 0
    assert not console.path.exists()
