"""Servers inside another program: this one."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

import euryale
from conftest import PATIENCE, until
from euryale._euryale import Order
from euryale._serve import make_server

TEXT = [("Content-Type", "text/plain")]


def hello(environ, start_response):
    start_response("200 OK", TEXT)
    return [threading.current_thread().name.encode()]


def ask(server, path="/") -> bytes:
    url = f"http://127.0.0.1:{server.effective_port}{path}"
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        return answer.read()


def is_listening(server) -> bool:
    try:
        socket.create_connection(("127.0.0.1", server.effective_port)).close()
    except ConnectionRefusedError:
        return False
    except ConnectionResetError:
        # The listener was closed between the two ends of this handshake.
        return False
    return True


class Run:
    """A server that runs in a thread of its own."""

    def __init__(self, app, fills=False, **settings):
        self.server = euryale.create_server(app, listen="127.0.0.1:0", **settings)
        if fills:
            fill(self.server._server.wakeup_fd)
        self.status = None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        self.status = self.server.run()

    def ended(self) -> int:
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        return self.status


def test_it_serves_in_any_thread_and_ends():
    before = {number: signal.getsignal(number) for number in range(1, 16)}
    run = Run(hello, threads=2)
    assert ask(run.server).startswith(b"euryale-")
    assert run.server.effective_host == "127.0.0.1"
    assert run.server.effective_listen == [("127.0.0.1", run.server.effective_port)]
    assert {number: signal.getsignal(number) for number in range(1, 16)} == before
    run.server.close()
    assert run.status == 0, "close() returns after run()"
    run.thread.join()
    assert not is_listening(run.server)
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("euryale")], "all threads are joined"


def test_several_servers_run_side_by_side_and_one_after_the_other():
    for _ in range(3):
        runs = [Run(hello, threads=1) for _ in range(3)]
        ports = {run.server.effective_port for run in runs}
        assert len(ports) == 3
        with ThreadPoolExecutor(9) as clients:
            answers = list(clients.map(ask, [run.server for run in runs] * 20))
        assert set(answers) == {b"euryale-0"}
        for run in runs:
            run.server.close()
            assert run.ended() == 0


def test_close_finishes_what_has_begun():
    begun, gate = threading.Event(), threading.Event()

    def waiting(environ, start_response):
        begun.set()
        gate.wait(PATIENCE)
        return hello(environ, start_response)

    run = Run(waiting)
    with ThreadPoolExecutor(2) as clients:
        asked = clients.submit(ask, run.server)
        assert begun.wait(PATIENCE)
        closed = clients.submit(run.server.close)
        until(lambda: not is_listening(run.server), "it takes no new requests")
        assert not closed.done()
        gate.set()
        assert asked.result().startswith(b"euryale-")
        closed.result(PATIENCE)
    assert run.ended() == 0


def test_close_may_come_before_run_twice_and_from_a_worker():
    server = euryale.create_server(hello, listen="127.0.0.1:0")
    assert is_listening(server)
    server.close()
    server.close()
    assert not is_listening(server)
    assert server.run() == 0

    def closing(environ, start_response):
        run.server.close()
        return hello(environ, start_response)

    run = Run(closing)
    assert ask(run.server).startswith(b"euryale-")
    assert run.ended() == 0
    run.server.close()
    with pytest.raises(RuntimeError):
        again = Run(hello)
        try:
            ask(again.server)
            again.server.run()
        finally:
            again.server.close()


def test_close_may_come_at_any_time_of_the_start():
    for _ in range(20):
        run = Run(hello, threads=1)
        run.server.close()
        assert run.ended() == 0
        assert not is_listening(run.server)


def test_a_worker_that_never_returns_does_not_end_the_process():
    begun, gate = threading.Event(), threading.Event()

    def stuck(environ, start_response):
        begun.set()
        gate.wait(PATIENCE)
        return hello(environ, start_response)

    run = Run(stuck, threads=1, drain="100ms")
    with ThreadPoolExecutor(1) as clients:
        asked = clients.submit(ask, run.server)
        assert begun.wait(PATIENCE)
        run.server.close()
        assert run.ended() == 3
        with pytest.raises((OSError, urllib.error.URLError)):
            asked.result()
    gate.set()
    is_gone = lambda: "euryale-0" not in [thread.name for thread in threading.enumerate()]
    until(is_gone, "the thread ends once the application returns")


def test_a_wrong_setting_is_an_exception():
    with pytest.raises(euryale.SettingsError, match="threads"):
        euryale.create_server(hello, threads=0)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(euryale.SettingsError, match="cannot listen"):
            euryale.create_server(hello, listen=f"127.0.0.1:{taken.getsockname()[1]}")


def test_an_exception_of_the_application_stays_in_the_server(caplog):
    def raising(environ, start_response):
        raise LookupError("an application raised this")

    run = Run(raising)
    with pytest.raises(urllib.error.HTTPError) as error:
        ask(run.server)
    assert error.value.code == 500
    run.server.close()
    assert run.ended() == 0
    assert "LookupError: an application raised this" in caplog.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_in_the_main_thread_signals_stay_the_programs(tmp_path, number):
    """Ctrl-C ends `run`, and SIGTERM the process."""
    program = tmp_path / "program.py"
    program.write_text(
        "import signal\n"
        "import euryale\n"
        # A job in the background of a shell ignores SIGINT, and so do its children.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [b'x']\n"
        "server = euryale.create_server(app, listen='127.0.0.1:0')\n"
        "print(server.effective_port, flush=True)\n"
        "print('ended with', server.run(), flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        port = int(process.stdout.readline())
        url = f"http://127.0.0.1:{port}/"
        assert urllib.request.urlopen(url, timeout=PATIENCE).read() == b"x"
        process.send_signal(number)
        said, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    if number == signal.SIGINT:
        assert (process.returncode, said, errors) == (0, "ended with 0\n", "")
    else:
        assert (process.returncode, said) == (-signal.SIGTERM, "")


def fill(descriptor) -> None:
    """Write as many numbers of a signal as the socket takes."""
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(descriptor, bytes([signal.SIGUSR1]))


def test_threads_are_started_although_signals_have_filled_the_socket():
    run = Run(hello, threads=2, fills=True)
    assert ask(run.server).startswith(b"euryale-")
    run.server.close()
    assert run.ended() == 0


def test_no_order_is_lost_while_the_main_thread_is_busy():
    """This test is the main thread."""
    server = make_server({"listen": "127.0.0.1:0", "threads": "2"})
    fill(server.wakeup_fd)
    server.start(hello, owns_process=False)
    server.drain()
    orders = []

    def is_ended():
        while (order := server.next_order()) is not None and order != Order.ENDED:
            orders.append(order)
            server.carried_out(order)
        return order == Order.ENDED

    until(is_ended, "the end is announced")
    assert orders.count(Order.START_THREAD) == 2
    with socket.socket(fileno=server.fd) as woken:
        assert woken.recv(1)
    server.dismiss()
    assert server.join() == 0


@pytest.mark.parametrize("is_late", [False, True])
def test_ctrl_c_while_a_worker_is_started_loses_no_order(tmp_path, is_late):
    """Before the thread runs, or after that."""
    program = tmp_path / "program.py"
    program.write_text(
        "import threading\n"
        "import euryale\n"
        "start = threading.Thread.start\n"
        "def interrupted(thread):\n"
        "    if thread.name == 'euryale-3':\n"
        "        threading.Thread.start = start\n"
        f"        if {is_late}:\n"
        "            start(thread)\n"
        "        raise KeyboardInterrupt\n"
        "    start(thread)\n"
        "threading.Thread.start = interrupted\n"
        "server = euryale.create_server(lambda *_: [], listen='127.0.0.1:0', threads=4)\n"
        "print('ended with', server.run())\n"
        "print(threading.Thread.start is start)\n"
    )
    ran = subprocess.run(
        [sys.executable, program], capture_output=True, text=True, timeout=PATIENCE
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "ended with 0\nTrue\n", "")


def test_a_child_that_returns_into_the_server_says_so_to_a_socket(tmp_path):
    """As where standard error is the journal's."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os, threading, urllib.request\n"
        "import euryale\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    if child := os.fork():\n"
        "        os.waitpid(child, 0)\n"
        "    return [b'x']\n"
        "server = euryale.create_server(app, listen='127.0.0.1:0')\n"
        "thread = threading.Thread(target=server.run)\n"
        "thread.start()\n"
        "url = f'http://127.0.0.1:{server.effective_port}/'\n"
        f"urllib.request.urlopen(url, timeout={PATIENCE}).read()\n"
        "server.close()\n"
        "thread.join()\n"
    )
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(PATIENCE)
        subprocess.run([sys.executable, program], stderr=theirs, timeout=2 * PATIENCE, check=True)
        said = ours.recv(4096).decode()
    assert "a forked child returned into the server" in said


def test_a_forked_process_serves_with_a_server_of_its_own(tmp_path):
    """Its own children do not: one that returns into the server ends."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys, threading, urllib.request\n"
        "import euryale\n"
        "if child := os.fork():\n"
        "    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "def app(environ, start_response):\n"
        "    grandchild = os.fork()\n"
        "    start_response('200 OK', [])\n"
        "    if not grandchild:\n"
        "        return [b'from the grandchild']\n"
        "    status = os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1])\n"
        "    return [f'the grandchild ended with {status}'.encode()]\n"
        "server = euryale.create_server(app, listen='127.0.0.1:0')\n"
        "thread = threading.Thread(target=server.run)\n"
        "thread.start()\n"
        "url = f'http://127.0.0.1:{server.effective_port}/'\n"
        f"print(urllib.request.urlopen(url, timeout={PATIENCE}).read().decode(), flush=True)\n"
        "server.close()\n"
        "thread.join()\n"
    )
    command = [sys.executable, program]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE)
    assert (ended.returncode, ended.stdout) == (0, "the grandchild ended with 70\n"), ended.stderr
