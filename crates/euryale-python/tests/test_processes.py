"""Several processes behind a parent: rolls, deaths, commands, and one address for operators."""

from __future__ import annotations

import http.client
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import euryale as package
import pytest
from conftest import PATIENCE, ROLLS, Served, children, until

ROLLED = "all children have been replaced"


class Parent:
    """A server of several processes with the application `releases:app`."""

    def __init__(self, start: Callable[..., Served], folder: Path, *arguments: str, **options):
        self.folder = folder
        self.console = folder / "console"
        if not (folder / "release").exists():
            self.release("one")
        flags = [f"--console={self.console}", "--drain=20s", *arguments]
        self.server = start("releases:app", *flags, RELEASES=str(folder), **options)

    def release(self, name: str) -> None:
        """The code that is imported from now on."""
        new = self.folder / "new"
        new.write_text(name)
        new.rename(self.folder / "release")

    def imports(self) -> list[int]:
        """The processes that have imported the application."""
        return [int(line) for line in (self.folder / "imports").read_text().split()]

    def children(self) -> set[int]:
        """The processes that serve."""
        return children(self.server)

    def answer(self, path: str = "/") -> tuple[int, str, str]:
        """The process, its release, and its name and port."""
        answer = self.server.ask(path)
        assert answer.status == 200
        pid, release, name = answer.text.split()
        return int(pid), release, name

    def ctl(self, *words: str) -> tuple[bool, str]:
        return package._euryale.ctl(str(self.console), list(words))

    def count(self, line: str) -> int:
        return self.server.log.count(line)

    def roll(self) -> None:
        before = self.count(ROLLED)
        self.server.send(signal.SIGHUP)
        until(lambda: self.count(ROLLED) > before, "the children are replaced")


@pytest.fixture
def parent(euryale, tmp_path) -> Callable[..., Parent]:
    def start(*arguments: str, **options) -> Parent:
        folder = tmp_path / "releases"
        folder.mkdir(exist_ok=True)
        return Parent(euryale, folder, *arguments, **options)

    return start


def is_gone(pid: int) -> bool:
    """Whether a process has ended. A zombie has."""
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True


@contextmanager
def load(server: Served, clients: int = 8) -> Iterator[list[str]]:
    """Clients that ask all the time and repeat nothing: half of them on kept sockets.

    The list has all answers. A request that fails fails the test.
    """
    answers: list[str] = []
    is_over = threading.Event()

    def keep_asking(number: int) -> None:
        headers = {} if number % 2 else {"Connection": "close"}
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        while not is_over.is_set():
            connection.request("POST", "/", b"x" * 20_000, headers)
            response = connection.getresponse()
            text = response.read().decode()
            assert response.status == 200, text
            answers.append(text)
        connection.close()

    with ThreadPoolExecutor(clients) as threads:
        asking = [threads.submit(keep_asking, number) for number in range(clients)]
        try:
            until(lambda: len(answers) > 50, "the clients get answers")
            yield answers
        finally:
            is_over.set()
        for one in asking:
            one.result()


def test_requests_are_spread_over_processes_and_the_parent_imports_nothing(parent, tmp_path):
    pid_file = tmp_path / "pid"
    site = parent("--processes=3", "--threads=2", f"--pid-file={pid_file}")
    server = site.server
    # Its sockets have the host as it is written in the settings.
    names = {f"127.0.0.1:{server.port}"}
    seen: dict[int, str] = {}

    def have_all_answered() -> bool:
        pid, _, name = site.answer()
        seen[pid] = name
        return len(seen) == 3

    until(have_all_answered, "all processes answer")
    assert set(seen.values()) == names
    assert set(seen) == site.children() == set(site.imports())
    assert server.process.pid not in seen
    assert pid_file.read_text() == f"{server.process.pid}\n"
    assert "processes: 3, threads: 2 each, 6 in all" in server.log
    assert server.log.count("serving on") == 1
    assert server.stop() == 0
    assert not pid_file.exists()
    assert all(map(is_gone, seen))


def test_operators_have_one_address_for_all_processes(parent):
    site = parent("--processes=2", "--threads=2")
    server = site.server
    metrics = server.operators("/metrics").text
    for process in "12":
        assert f'\neuryale_connections_cap{{process="{process}"}} 2' in metrics
        assert server.operators(f"/process/{process}/status").status == 200
    assert server.metric("euryale_connections_cap") == 4
    status = server.operators("/status").text
    assert "processes: 2, threads: 2 each, 4 in all" in status
    assert server.operators("/readyz").text == "ready\n"
    until(lambda: server.agent_check().startswith("up ready 100%"), "the agent knows them")
    assert server.operators("/process/3/status").status == 404
    assert server.stop() == 0


def test_rolls_lose_no_request_and_import_the_new_code(parent):
    site = parent("--processes=2", "--threads=2")
    with load(site.server) as answers:
        for roll in range(ROLLS):
            old = site.children()
            site.release(f"release-{roll}")
            site.roll()
            assert site.children().isdisjoint(old)
            until(lambda: all(map(is_gone, old)), "the old ones end")
            begin = len(answers)
            until(lambda: len(answers) > begin + 50, "the new ones answer")
            assert {text.split()[1] for text in answers[begin + 16 :]} == {f"release-{roll}"}
    print(f"{ROLLS} rolls: {len(answers)} answers")
    assert site.count("ERROR") == 0
    assert site.server.stop() == 0


def test_a_request_is_finished_by_the_process_that_has_it(parent):
    site = parent("--processes=1", "--threads=2")
    (old,) = site.children()
    with ThreadPoolExecutor(1) as clients:
        waits = clients.submit(site.answer, "/?gate")
        until(lambda: site.server.metric("euryale_publishers_running") == 1, "it waits")
        site.roll()
        # The old one accepts for a moment longer.
        until(lambda: site.answer()[0] != old, "the new one answers")
        (site.folder / "gate").touch()
        assert waits.result()[0] == old
    assert site.server.stop() == 0


def test_a_release_that_cannot_be_imported_replaces_nobody(parent):
    site = parent("--processes=2", "--threads=1")
    old = site.children()
    with load(site.server) as answers:
        site.release("broken")
        site.server.send(signal.SIGHUP)
        stopped = "the roll stops; old children serve on"
        until(lambda: site.count(stopped), "the roll stops")
        begin = len(answers)
        until(lambda: len(answers) > begin + 50, "the old ones answer")
    assert site.children() == old
    lines = [line for line in site.server.log.splitlines() if stopped in line]
    assert len(lines) == 1 and "exit status: 1" in lines[0], lines
    assert site.count("RuntimeError: this release is broken") == 3
    site.release("two")
    site.roll()
    until(lambda: site.answer()[1] == "two", "the new ones answer")
    assert site.server.stop() == 0


def test_a_first_release_that_cannot_be_imported_ends_the_start(parent, tmp_path):
    folder = tmp_path / "releases"
    folder.mkdir()
    (folder / "release").write_text("broken")
    site = parent("--processes=4", ready=False)
    assert site.server.wait() == 1
    assert site.count("RuntimeError: this release is broken") == 1
    last = site.server.log.splitlines()[-1]
    why = r"euryale: the processes could not start: child \d+ ended before it was ready, with exit"
    assert re.fullmatch(why + " status: 1", last), last
    assert not site.console.exists()


def test_a_killed_process_loses_only_its_own_requests_and_is_replaced(parent):
    site = parent("--processes=2", "--threads=1")
    connection = http.client.HTTPConnection("127.0.0.1", site.server.port, timeout=PATIENCE)
    connection.request("GET", "/")
    # The same process has the next request of this socket.
    victim = int(connection.getresponse().read().split()[0])
    connection.request("GET", "/?gate")
    until(lambda: site.server.metric("euryale_publishers_running") == 1, "it waits")
    os.kill(victim, signal.SIGKILL)
    with pytest.raises((OSError, http.client.HTTPException)):
        connection.getresponse()
    connection.close()
    for _ in range(40):
        assert site.answer()[0] != victim
    until(lambda: len(site.children() - {victim}) == 2, "another one serves in its place")
    assert site.count("a child died; another one starts") == 1
    assert site.server.stop() == 0


def test_a_killed_parent_leaves_requests_to_finish_and_no_process(parent):
    site = parent("--processes=2", "--threads=1")
    children = site.children()
    folders = {
        Path(word.split(b"=", 1)[1].decode()).parent
        for pid in children
        for word in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        if word.startswith(b"NOTIFY_SOCKET=")
    }
    assert len(folders) == 1 and all(folder.exists() for folder in folders)
    with ThreadPoolExecutor(1) as clients:
        waits = clients.submit(site.answer, "/?gate")
        until(lambda: site.server.metric("euryale_publishers_running") == 1, "it waits")
        site.server.process.kill()
        site.server.wait()
        (site.folder / "gate").touch()
        assert waits.result()[0] in children
    until(lambda: all(map(is_gone, children)), "the children end")
    assert not any(folder.exists() for folder in folders)


def test_a_killed_parent_leaves_no_process_that_is_still_importing(parent, tmp_path):
    folder = tmp_path / "releases"
    folder.mkdir()
    (folder / "hold").touch()
    site = parent("--processes=2", ready=False)
    (child,) = until(lambda: (folder / "imports").exists() and site.imports(), "it imports")
    site.server.process.kill()
    site.server.wait()
    until(lambda: is_gone(child), "the child ends")
    assert "the parent has ended before the application was imported" in site.server.log


def test_a_program_that_the_application_starts_is_not_a_child(euryale):
    server = euryale("plain:app", "--processes=1")
    assert server.ask("/is_child").text == "True False"
    assert server.stop() == 0


def test_commands_reach_all_processes(parent):
    site = parent("--processes=2", "--threads=1")
    is_done, status = site.ctl("status")
    assert is_done and status.count("workers: 0 of 1 busy") == 2, status
    assert site.ctl("resize", "3")[0]
    assert site.server.metric("euryale_connections_cap") == 6
    is_done, dump = site.ctl("dump")
    assert is_done and dump.count("runtime") >= 2, dump
    assert site.ctl("reload")[0]
    until(lambda: site.server.metric("euryale_connections_cap") == 2, "the settings are read")
    old = site.children()
    site.release("two")
    assert site.ctl("roll")[0]
    until(lambda: site.count(ROLLED), "the children are replaced")
    assert site.children().isdisjoint(old) and site.answer()[1] == "two"
    assert site.ctl("log", "debug")[0]
    is_done, said = site.ctl("restart")
    assert not is_done and "no command restart" in said
    assert site.ctl("drain")[0]
    assert site.server.wait() == 0


def test_settings_are_read_by_the_children_and_those_of_the_parent_are_named(parent, tmp_path):
    config = tmp_path / "euryale.toml"
    config.write_text("processes = 2\nthreads = 1\n")
    site = parent(f"--config={config}")
    config.write_text("processes = 3\nthreads = 2\n")
    site.roll()
    assert site.server.metric("euryale_connections_cap") == 4
    until(lambda: site.count("these settings need a restart: processes"), "it is named")
    config.write_text("threads = two\n")
    old = site.children()
    site.server.send(signal.SIGHUP)
    until(lambda: site.count("the roll stops; old children serve on"), "the roll stops")
    assert site.count("the settings of the parent stay as they were") == 1
    assert site.children() == old and site.answer()[0] in old
    assert site.server.stop() == 0


def test_user_signals_are_the_applications(euryale):
    server = euryale("plain:app", "--processes=1")
    server.send(signal.SIGUSR1)
    until(lambda: server.ask("/seen").text == "USR1", "its handler runs")
    server.send(signal.SIGUSR2)
    until(lambda: server.ask("/seen").text == "USR1\nUSR2", "its handler runs")
    assert server.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--processes=0"], "processes"),
        (["--processes=2", "--profile=."], "profile"),
        (["--processes=2", "--listen=tls:127.0.0.1:0"], "tls:127.0.0.1:0 needs certificates"),
        (["--processes=2", "--console=missing/console"], "missing/console"),
        (["--processes=2", "--pid-file=missing/file"], "pid_file"),
    ],
)
def test_what_no_process_could_do_ends_the_start_with_one_line(euryale, arguments, said):
    server = euryale("releases:app", *arguments, ready=False)
    assert server.wait() == 1
    assert server.log.startswith("euryale: ") and said in server.log, server.log
    assert server.log.count("\n") == 1, server.log


def test_an_imported_application_has_one_process(tmp_path):
    def app(environ, start_response):
        raise AssertionError("nobody calls it")

    for serve in (package.create_server, package.serve):
        with pytest.raises(package.SettingsError, match="needs the command `euryale`"):
            serve(app, listen="127.0.0.1:0", processes=2)


def test_a_relative_folder_and_a_link_are_found_again_at_a_roll(tmp_path):
    """The folder of a release is a link, which a deployment switches before it rolls."""
    for release in ("one", "two"):
        (tmp_path / release / "src").mkdir(parents=True)
        code = "def app(environ, start):\n    start('200 OK', [])\n    return [b'%s']\n"
        (tmp_path / release / "src" / "released.py").write_text(code % release)
    current = tmp_path / "current"
    current.symlink_to("one")
    command = [sys.executable, "-m", "euryale", "released:app", "--chdir=src", "--processes=1"]
    launched = ["sh", "-c", 'cd current && exec "$@"', "sh", *command, "--listen=127.0.0.1:0"]
    server = Served(launched, tmp_path, {}).started()
    try:
        assert server.ask().text == "one"
        (tmp_path / "next").symlink_to("two")
        (tmp_path / "next").rename(current)
        server.send(signal.SIGHUP)
        until(lambda: ROLLED in server.log, "the child is replaced")
        assert server.ask().text == "two"
        assert server.stop() == 0
    finally:
        server.process.kill()
        server.process.wait()
