"""A server inside another program."""

from __future__ import annotations

import threading
from typing import Any, Callable

from ._serve import _Main, _PidFile, as_text, make_server, written_log


def create_server(app: Callable[..., Any], **settings: Any) -> EmbeddedServer:
    """Bind a server for a WSGI application, to be run in any thread.

    ``settings`` are those of :func:`euryale.serve`. With ``listen="127.0.0.1:0"``
    the system chooses a port. For test suites::

        server = euryale.create_server(app, listen="127.0.0.1:0")
        thread = threading.Thread(target=server.run)
        thread.start()
        ...  # ask http://127.0.0.1:{server.effective_port}/
        server.close()
        thread.join()
    """
    return EmbeddedServer(app, settings)


class EmbeddedServer:
    """A server that takes over no signals and never ends the process."""

    #: The addresses it listens on: a host and a port for each TCP socket.
    effective_listen: list[tuple[str, int]]

    def __init__(self, app: Callable[..., Any], settings: dict[str, Any]):
        self._app = app
        self._server = make_server(as_text(settings))
        self._main = _Main(self._server, None, _PidFile(None), owns_process=False)
        self._lock = threading.Lock()
        self._is_closed = False
        self._runner: threading.Thread | None = None
        self._ended = threading.Event()
        self.effective_listen = [
            tcp(address) for address in self._server.addresses if address.startswith("http://")
        ]

    @property
    def effective_host(self) -> str:
        """The host of the first TCP address."""
        return self.effective_listen[0][0]

    @property
    def effective_port(self) -> int:
        """The port of the first TCP address."""
        return self.effective_listen[0][1]

    def run(self) -> int:
        """Serve until :meth:`close`, or in the main thread until Ctrl-C.

        Returns 0, or 3 if requests had to be cut at the end of the drain. A
        worker that never returns is then left behind.
        """
        with self._lock:
            if self._is_closed:
                return 0
            if self._runner is not None:
                raise RuntimeError("the server was run before")
            self._runner = threading.current_thread()
        try:
            with written_log(self._server):
                return self._main.run(lambda: self._app)
        finally:
            self._ended.set()

    def close(self) -> None:
        """Stop accepting requests, and finish those that have begun.

        Returns once :meth:`run` has ended. In a worker, and in the thread of
        :meth:`run`, it does not wait. It may be called more than once.
        """
        with self._lock:
            was_closed, self._is_closed = self._is_closed, True
            runner = self._runner
        if runner is None:
            if not was_closed:
                self._main.abandon()
            return
        self._server.drain()
        current = threading.current_thread()
        if current is not runner and current not in self._main.workers.running.values():
            self._ended.wait()


def tcp(address: str) -> tuple[str, int]:
    """The host and the port of ``http://host:port``."""
    host, _, port = address.removeprefix("http://").rpartition(":")
    return host.strip("[]"), int(port)
