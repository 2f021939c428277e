"""The main thread of a server, and the threads that it starts."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
import traceback
from typing import Any, Callable, Iterator, Mapping

from . import _euryale
from ._euryale import Order
from ._profile import Profiler
from ._reload import is_under_hupper

#: The time for all workers to end, in seconds, once the server has ended. They
#: had the drain's time before.
JOIN = 0.5

#: Signals that Rust handles, because a Python handler would wait for the GIL.
RUSTS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

log = logging.getLogger("euryale")

# A child that the application forks ends when it returns into Rust.
os.register_at_fork(after_in_child=_euryale.note_fork)

#: Whether a server of this process has taken over the signals. Rust installs
#: its handlers once per process, so they are not to be removed again.
_taken = False


class SettingsError(ValueError):
    """A setting or an address cannot be used. The message is one line that names it."""


def serve(app: Callable[..., Any], **settings: Any) -> int:
    """Serve a WSGI application until SIGTERM or SIGINT.

    ``settings`` are those that ``euryale --help`` lists, with underscores.
    Returns 0, or 3 if requests had to be cut at the end of the drain.
    A worker that never returns ends the process, with status 3.

    Call it in the main thread: elsewhere Python cannot run signal handlers.
    SIGTERM, SIGINT and SIGHUP are the server's from then on.
    """
    return run(as_text(settings), lambda: app)


def as_text(settings: Mapping[str, Any]) -> dict[str, str]:
    """Convert settings to text: ``None`` is left out, and lists are joined."""
    text = {}
    for name, value in settings.items():
        if value is None:
            continue
        if isinstance(value, (list, tuple, set, frozenset)):
            value = " ".join(str(item) for item in value)
        text[name] = str(value)
    return text


def run(
    settings: dict[str, str],
    load: Callable[[], Callable[..., Any]],
    reload: Callable[[], dict[str, str]] | None = None,
    is_last: bool = False,
    pid_file: str | None = None,
) -> int:
    """Bind, then load the application, then serve it to the end.

    Operators get answers while the application loads, and ``/readyz`` answers
    503 until it is loaded. ``reload`` reads the settings again, for SIGHUP.
    ``is_last`` says that the process is to end afterwards: whatever the
    application has left running cannot keep it. ``pid_file`` has the process's
    number until then, unless Rust has to end the process.
    """
    server = make_server(settings, inherits=True)
    pid = _PidFile(pid_file)
    with written_log(server):
        try:
            pid.write()
            status = _Main(server, reload, pid).run(load)
            if is_last:
                _end_process(server)
            return status
        finally:
            pid.remove()


def make_server(settings: dict[str, str], inherits: bool = False) -> _euryale.Server:
    """Bind the sockets. Operators get answers from now on.

    With ``inherits``, sockets from systemd replace the addresses of the settings.
    """
    # Only if the logger has a level of its own: otherwise the lines would be in the log of every
    # application whose root logger has the level INFO.
    requests = logging.getLogger("euryale.access")
    access = requests.level != logging.NOTSET and requests.isEnabledFor(logging.INFO)
    try:
        return _euryale.Server(
            settings,
            log_level=log.getEffectiveLevel(),
            access=access,
            inherits=inherits,
            is_hurried=is_under_hupper(),
        )
    except (OSError, ValueError) as error:
        raise SettingsError(str(error)) from None


@contextlib.contextmanager
def written_log(server: _euryale.Server | _euryale.Parent) -> Iterator[None]:
    """A thread that passes Rust's log lines to the loggers."""
    writer = threading.Thread(target=_write_log, args=(server,), name="euryale-log", daemon=True)
    writer.start()
    try:
        yield
    finally:
        server.stop_log()
        writer.join(JOIN)


class _PidFile:
    """A file with the number of this process, if there is a path for it."""

    def __init__(self, path: str | None):
        self.path = path
        self.text = f"{os.getpid()}\n"

    def write(self) -> None:
        if self.path is None:
            return
        try:
            with open(self.path, "w", encoding="ascii") as file:
                file.write(self.text)
        except OSError as error:
            raise SettingsError(f"pid_file: {error}") from None

    def remove(self) -> None:
        """Remove it, unless another process has replaced it, or this is a child."""
        if self.path is None or self.text != f"{os.getpid()}\n":
            return
        try:
            with open(self.path, encoding="ascii") as file:
                is_own = file.read() == self.text
            if is_own:
                os.unlink(self.path)
        except OSError:
            # Another process has removed it, or the folder.
            pass


def _end_process(server: _euryale.Server) -> None:
    """Give the signals back, and bound the time until the process ends.

    The interpreter waits for the application's own threads, and runs its
    ``atexit`` handlers. The server cannot know how long either takes.
    """
    if threading.current_thread() is threading.main_thread():
        for number in RUSTS:
            signal.signal(number, signal.SIG_DFL)
    seconds = server.exit_soon()
    main = threading.main_thread()
    left = [t.name for t in threading.enumerate() if not t.daemon and t is not main]
    if left:
        log.warning("waiting at most %.1f s for %s", seconds, ", ".join(left))


def _take_signals() -> None:
    """Remove Python's handlers, so that Rust can install its own."""
    global _taken
    if _taken:
        return
    _taken = True
    if threading.current_thread() is threading.main_thread():
        for number in RUSTS:
            signal.signal(number, signal.SIG_DFL)
    os.register_at_fork(after_in_child=_in_child)


def _in_child() -> None:
    """A child of the application has no server: signals end it as usual."""
    signal.set_wakeup_fd(-1)
    for number in RUSTS:
        # A handler that the application installed stays.
        handler = signal.getsignal(number)
        is_own = getattr(handler, "__func__", None) is _Main.interrupted
        if handler is signal.SIG_DFL or is_own:
            signal.signal(number, signal.SIG_DFL)


def _write_log(server: _euryale.Server | _euryale.Parent) -> None:
    while (line := server.next_line()) is not None:
        level, name, text, is_asked = line
        logger = logging.getLogger(name)
        if is_asked:
            # An operator has asked for it by a command, whatever the level of the logger is.
            logger.handle(logger.makeRecord(name, level, "euryale", 0, "%s", (text,), None))
        else:
            logger.log(level, "%s", text)


class _Threads:
    """Threads of one kind, by their numbers."""

    def __init__(self, name: str, purpose: str):
        self.name = name
        self.purpose = purpose
        self.running: dict[int, threading.Thread] = {}

    def start(self, work: Callable[[int], None]) -> bool:
        """Start a thread with the first free number. ``False`` if the system has none."""
        alive = {n: thread for n, thread in self.running.items() if thread.is_alive()}
        number = next(n for n in range(len(alive) + 1) if n not in alive)
        name = f"{self.name}-{number}"
        thread = threading.Thread(target=work, args=(number,), name=name, daemon=True)
        # It is among the others before it starts, in case an exception interrupts the start.
        self.running = {**alive, number: thread}
        try:
            thread.start()
        except RuntimeError:
            log.exception("no thread for %s", self.purpose)
            del self.running[number]
            return False
        return True


class _Main:
    """The loop of the main thread, or of another one if the server does not own the process."""

    def __init__(
        self,
        server: _euryale.Server,
        reload: Callable[[], dict[str, str]] | None,
        pid_file: _PidFile,
        owns_process: bool = True,
    ):
        self.server = server
        self.owns_process = owns_process
        self.reload = reload
        self.pid_file = pid_file
        self.socket = socket.socket(fileno=server.fd)
        self.workers = _Threads("euryale", "a worker")
        self.lane = _Threads("euryale-lane", "a call outside the workers")
        self.streams = _Threads("euryale-stream", "a stream")

    def run(self, load: Callable[[], Callable[..., Any]]) -> int:
        try:
            app = load()
            if (folder := self.server.profile) is not None:
                app = Profiler(app, folder)
        except BaseException:
            self.server.join()
            raise
        is_main = threading.current_thread() is threading.main_thread()
        if self.owns_process:
            _take_signals()
        if is_main and self.owns_process and is_under_hupper():
            # hupper interrupts the main thread when its own process has ended. A signal of the
            # system's is Rust's.
            signal.signal(signal.SIGINT, self.interrupted)
        if is_main:
            woken = signal.set_wakeup_fd(self.server.wakeup_fd, warn_on_full_buffer=False)
        try:
            self.server.start(app, owns_process=self.owns_process)
            # A parent says it when all of its children serve.
            if not self.server.is_child:
                for address in self.server.addresses:
                    log.info("serving on %s", address)
            self.wait_to_the_end()
            return self.end()
        finally:
            if is_main:
                signal.set_wakeup_fd(woken)
            self.socket.close()

    def interrupted(self, number: int, frame: Any) -> None:
        self.server.drain()

    def abandon(self) -> None:
        """Close the sockets of a server that was never run."""
        self.server.join()
        self.socket.close()

    def wait_to_the_end(self) -> None:
        """Wait. An exception from one of the application's signal handlers begins a drain."""
        while True:
            try:
                return self.wait()
            except BaseException as error:
                # Ctrl-C, if the server does not handle signals.
                is_asked = isinstance(error, (KeyboardInterrupt, SystemExit))
                if self.owns_process or not is_asked:
                    log.exception("draining after an exception in the main thread")
                self.server.drain()

    def wait(self) -> None:
        """Carry out Rust's orders until the server has ended.

        Python's signal handlers run here: the signals' numbers wake the thread.
        """
        while True:
            while (order := self.server.next_order()) is not None:
                if order == Order.ENDED:
                    return
                self.carry_out(order)
                # An exception before this line loses no order: it is carried out again. A surplus
                # thread ends with the others.
                self.server.carried_out(order)
            # The bytes only wake this thread. The orders are read after them.
            self.socket.recv(4096)

    def carry_out(self, order: Order) -> None:
        """Carry out an order once."""
        if order == Order.START_THREAD:
            if not self.workers.start(self.server.work):
                self.server.lose_thread()
        elif order == Order.START_LANE_THREAD:
            if not self.lane.start(self.server.work_in_lane):
                self.server.lose_lane_thread()
        elif order == Order.START_STREAM_THREAD:
            if not self.streams.start(self.server.work_in_stream_lane):
                self.server.lose_stream_thread()
        elif order == Order.RELOAD:
            self.read_again()
        elif order == Order.ANSWER:
            self.server.answer()
        elif order == Order.STACKS:
            self.write_stacks()
        elif order == Order.DUMP:
            self.dump_stacks()

    def write_stacks(self) -> None:
        """Log where the calls hang that have run for too long."""
        try:
            for text in self.stacks(self.server.overdue()):
                log.warning("%s", text)
        except Exception:
            log.exception("the stacks of calls that have run for too long")

    def dump_stacks(self) -> None:
        """Return the stacks of all calls to the command ``dump``."""
        try:
            texts = self.stacks(self.server.calls())
        except Exception as error:
            texts = [f"python: no stacks: {error!r}"]
        self.server.dump("".join(f"{text}\n" for text in texts))

    def threads(self) -> list[threading.Thread]:
        """All threads of the server that call the application."""
        kinds = (self.workers, self.lane, self.streams)
        return [thread for kind in kinds for thread in kind.running.values()]

    def stacks(self, calls: list[tuple[str, str, str]]) -> list[str]:
        """A line about each of these calls, and the stack of its thread."""
        frames = sys._current_frames()
        threads = {thread.name: thread for thread in self.threads()}
        texts = []
        for name, line, native in calls:
            thread = threads.get(name)
            frame = frames.get(thread.ident) if thread and thread.ident else None
            stack = "".join(traceback.format_stack(frame)) if frame else ""
            texts.append(f"{line}, in {native or 'a thread'}\n{stack}".rstrip())
        return texts

    def read_again(self) -> None:
        if self.reload is None:
            log.warning("reload: there is no file of settings to read again")
            return
        try:
            is_all = self.server.reload(self.reload())
        except Exception as error:
            # The server continues, whatever is wrong with the file.
            log.error("reload: the settings stay as they were: %s", error)
            return
        with_tls = ", max_wait and the certificates" if self.server.has_tls else " and max_wait"
        need = "a roll" if self.server.is_child else "a restart"
        rest = "" if is_all else f"; other settings need {need}"
        log.info("reload: threads, max_queue%s are set%s", with_tls, rest)

    def end(self) -> int:
        """Join the threads. If one never returns and the server owns the process, end the process."""
        self.server.dismiss()
        until = time.monotonic() + JOIN
        threads = self.threads()
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        left = [thread.name for thread in threads if thread.is_alive()]
        if left:
            log.error("ending without %s", ", ".join(left))
        if left and self.owns_process:
            self.pid_file.remove()
            self.server.stop_log()
            _flush()
            _euryale.exit(3)
        return self.server.join()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass
    logging.shutdown()
