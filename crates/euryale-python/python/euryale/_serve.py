"""The main thread of a server, and the threads that it starts."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
import time
from typing import Any, Callable, Mapping

from . import _euryale

#: For all workers together, once the server has ended: they have had the
#: drain's time before.
JOIN = 0.5

#: Signals that Rust handles: a handler of Python's would wait for the GIL.
RUSTS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

log = logging.getLogger("euryale")


class SettingsError(ValueError):
    """A setting cannot be used, or an address cannot be had; one line that names it."""


def serve(app: Callable[..., Any], **settings: Any) -> int:
    """Serve a WSGI application until SIGTERM or SIGINT.

    ``settings`` are those that ``euryale --help`` lists, with underscores.
    Returns 0, or 3 if requests had to be cut when the drain's time was over.
    A worker that never returns ends the process, with status 3.

    Call it in the main thread: elsewhere Python cannot run signal handlers.
    SIGTERM, SIGINT and SIGHUP are the server's from then on.
    """
    return run(as_text(settings), lambda: app)


def as_text(settings: Mapping[str, Any]) -> dict[str, str]:
    """Settings as text: ``None`` is left out, lists are joined."""
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
) -> int:
    """Bind, then load the application, then serve it to the end.

    Operators are answered while the application loads, and ``/readyz`` says
    503 until it is there. ``reload`` reads the settings again, for SIGHUP.
    """
    # Only for a logger that somebody has set a level for: otherwise the lines would be in the log
    # of every application whose root logger says INFO.
    requests = logging.getLogger("euryale.access")
    access = requests.level != logging.NOTSET and requests.isEnabledFor(logging.INFO)
    try:
        server = _euryale.Server(settings, log_level=log.getEffectiveLevel(), access=access)
    except (OSError, ValueError) as error:
        raise SettingsError(str(error)) from None
    writer = threading.Thread(target=_write_log, args=(server,), name="euryale-log", daemon=True)
    writer.start()
    try:
        return _Main(server, reload).run(load)
    finally:
        server.stop_log()
        writer.join(JOIN)


def _write_log(server: _euryale.Server) -> None:
    while (line := server.next_line()) is not None:
        level, logger, text = line
        logging.getLogger(logger).log(level, "%s", text)


class _Main:
    """The loop of the main thread."""

    def __init__(self, server: _euryale.Server, reload: Callable[[], dict[str, str]] | None):
        self.server = server
        self.reload = reload
        self.socket = socket.socket(fileno=server.fd)
        self.workers: dict[int, threading.Thread] = {}

    def run(self, load: Callable[[], Callable[..., Any]]) -> int:
        try:
            app = load()
        except BaseException:
            self.server.join()
            raise
        is_main = threading.current_thread() is threading.main_thread()
        if is_main:
            for number in RUSTS:
                signal.signal(number, signal.SIG_DFL)
            woken = signal.set_wakeup_fd(self.server.wakeup_fd, warn_on_full_buffer=False)
        try:
            self.server.start(app)
            for address in self.server.addresses:
                log.info("serving on %s", address)
            self.wait()
            return self.end()
        finally:
            if is_main:
                signal.set_wakeup_fd(woken)
            self.socket.close()

    def wait(self) -> None:
        """Do what Rust asks for, until it has ended.

        Handlers of Python's signals run here: their numbers wake the thread.
        """
        while True:
            for order in self.socket.recv(64):
                if order == _euryale.START_THREAD:
                    self.start_worker()
                elif order == _euryale.RELOAD:
                    self.read_again()
                elif order == _euryale.ENDED:
                    return

    def start_worker(self) -> None:
        self.workers = {n: thread for n, thread in self.workers.items() if thread.is_alive()}
        number = next(n for n in range(len(self.workers) + 1) if n not in self.workers)
        thread = threading.Thread(
            target=self.server.work, args=(number,), name=f"euryale-{number}", daemon=True
        )
        self.workers[number] = thread
        try:
            thread.start()
        except RuntimeError:
            log.exception("no thread for a worker")
            del self.workers[number]

    def read_again(self) -> None:
        if self.reload is None:
            log.warning("SIGHUP: there is no file of settings to read again")
            return
        try:
            is_all = self.server.reload(self.reload())
        except ValueError as error:
            log.error("SIGHUP: the settings stay as they were: %s", error)
            return
        rest = "" if is_all else "; other settings need a restart"
        log.info("SIGHUP: threads, max_queue and max_wait are set%s", rest)

    def end(self) -> int:
        """Join the workers. One that never returns ends the process."""
        self.server.dismiss()
        until = time.monotonic() + JOIN
        for thread in self.workers.values():
            thread.join(max(0.0, until - time.monotonic()))
        left = [thread.name for thread in self.workers.values() if thread.is_alive()]
        if left:
            log.error("ending without %s", ", ".join(left))
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
