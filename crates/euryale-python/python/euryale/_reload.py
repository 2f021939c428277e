"""Starts an application again when its code changes, for ``--reload`` and under hupper.

A child tells its parent which files it opens: modules, ZCML, and files of settings. The parent
compares them with what they were then. Files of installed packages are left out.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import site
import socket
import sys
import sysconfig
import tempfile
import threading
import time
from importlib.util import source_from_cache
from typing import Any, Callable, Iterable

log = logging.getLogger("euryale")

#: The variable by which a child finds the socket of its parent.
VARIABLE = "EURYALE_RELOAD_SOCKET"

#: The interval at which files are compared, in seconds. An editor or a checkout that writes several
#: files has ended when none has changed for as long.
INTERVAL = 0.3

#: The names of files that are watched once they are opened for reading.
WATCHED = (".cfg", ".conf", ".env", ".ini", ".py", ".pyc", ".toml", ".yaml", ".yml", ".zcml")

#: How long a child waits for a parent that does not read, in seconds.
PATIENCE = 5.0

#: The kinds of reports: a file was opened for reading or for writing, or a reload is asked for.
READ, WRITTEN, RELOAD = "read", "written", "reload"

Stamp = list[int]


def stamp(path: str) -> Stamp | None:
    """What changes with a file: ``None`` if it does not exist."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return [status.st_mtime_ns, status.st_size, status.st_ino]


class Watcher:
    """The files of all children, in the parent."""

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="euryale-")
        path = os.path.join(self.folder, "reload")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        #: For the environment of the children.
        self.path = path
        self.files: dict[str, Stamp | None] = {}
        #: Files that the application writes itself.
        self.written: set[str] = set()
        #: Whether there was a change since this process began.
        self.has_changed = threading.Event()
        self.asked = False
        self.is_closed = False

    def start(self, change: Callable[[], None]) -> None:
        """Call ``change`` after each change, in a thread."""

        def watch() -> None:
            while not self.is_closed:
                if paths := self.changed():
                    log.info("starting the application again: %s", said(paths))
                    self.has_changed.set()
                    change()

        threading.Thread(target=watch, name="euryale-reload", daemon=True).start()

    def close(self) -> None:
        self.is_closed = True
        shutil.rmtree(self.folder, ignore_errors=True)

    def changed(self) -> list[str]:
        """Wait until files have changed, and no more do. None if the watcher is closed."""
        found: dict[str, None] = {}
        while not self.is_closed:
            self.receive(time.monotonic() + INTERVAL)
            more = self.compare()
            if found and not more:
                break
            found.update(dict.fromkeys(more))
        return list(found)

    def receive(self, until: float) -> None:
        """Read what children report, until this time."""
        while (left := until - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                kind, path, seen = json.loads(self.socket.recv(65_536))
            except OSError:
                # Nothing was reported in this time.
                continue
            if kind == RELOAD:
                self.asked = True
            elif kind == WRITTEN:
                self.written.add(path)
                self.files.pop(path, None)
            elif path not in self.written:
                # A file that several children open has changed since the first of them did.
                self.files.setdefault(path, seen)

    def compare(self) -> list[str]:
        """Return what has changed since the last call."""
        found = []
        if self.asked:
            self.asked = False
            found.append("the application asks for it")
        for path, seen in self.files.items():
            now = stamp(path)
            if now != seen:
                self.files[path] = now
                found.append(path)
        return found


def said(paths: list[str]) -> str:
    """A few of the paths, for the log."""
    rest = len(paths) - 3
    return ", ".join(paths[:3]) + (f" and {rest} more" if rest > 0 else "")


class Reporter:
    """What a child tells its parent. It has the methods of hupper's reloader."""

    def __init__(self, path: str):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(PATIENCE)

    def send(self, kind: str, path: str = "", seen: Stamp | None = None) -> None:
        try:
            self.socket.sendto(json.dumps([kind, path, seen]).encode(), self.path)
        except OSError:
            # The parent has ended, and so does this process soon.
            pass

    def watch_files(self, files: Iterable[str | os.PathLike[str]]) -> None:
        for file in files:
            path = os.path.abspath(file)
            self.send(READ, path, stamp(path))

    def opened(self, path: str, is_read: bool) -> None:
        if is_read:
            self.watch_files([path])
        else:
            # Its change would start the application again, which would write it again.
            self.send(WRITTEN, path)

    def trigger_reload(self) -> None:
        self.send(RELOAD)

    def graceful_shutdown(self) -> None:
        os.kill(os.getppid(), signal.SIGTERM)


class OpenedFiles:
    """An audit hook that names each file of the application once, before it is opened."""

    def __init__(self, name: Callable[[str, bool], None]):
        self.name = name
        self.seen: set[tuple[str, bool]] = set()
        self.folders = tuple(installed())

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open":
            return
        path, mode, _ = arguments
        # `os.open` has no mode. It opens no modules.
        if not isinstance(path, str) or not isinstance(mode, str):
            return
        if not path.endswith(WATCHED):
            return
        is_read = set(mode) <= set("rbtU")
        if (path, is_read) in self.seen:
            return
        self.seen.add((path, is_read))
        try:
            path = source(os.path.abspath(path))
            if not os.path.realpath(path).startswith(self.folders):
                self.name(path, is_read)
        except (OSError, ValueError):
            # An exception would keep the application from opening the file.
            pass


def source(path: str) -> str:
    """The file whose compiled code this is, or the file itself."""
    if not path.endswith(".pyc"):
        return path
    found = source_from_cache(path) if "__pycache__" in path else path[:-1]
    return found if os.path.exists(found) else path


def installed() -> set[str]:
    """The folders of the standard library and of installed packages."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    folders = {path for name in names if (path := sysconfig.get_path(name))}
    folders.update(site.getsitepackages())
    folders.add(site.getusersitepackages())
    return {os.path.realpath(folder) + os.sep for folder in folders}


def report_files() -> Reporter | None:
    """In a child whose parent reloads it, report the files that it opens from now on."""
    path = os.environ.pop(VARIABLE, None)
    if path is None:
        return None
    # The time in compiled code is in seconds, so it may be that of the code before this second.
    sys.dont_write_bytecode = True
    reporter = Reporter(path)
    sys.addaudithook(OpenedFiles(reporter.opened))
    try:
        from hupper import worker
    except ImportError:
        return reporter
    # hupper's own calls reach the parent. It has no public name for that.
    worker._reloader_proxy = reporter
    return reporter


def is_under_hupper() -> bool:
    """Whether hupper starts this process again after a change."""
    hupper = sys.modules.get("hupper")
    if hupper is None or not hupper.is_active():
        return False
    return not isinstance(hupper.get_reloader(), Reporter)


def report_to_hupper() -> None:
    """Name the files that the application opens from now on to hupper, which knows its modules."""
    if is_under_hupper():
        reloader = sys.modules["hupper"].get_reloader()

        def opened(path: str, is_read: bool) -> None:
            if is_read:
                reloader.watch_files([path])

        sys.addaudithook(OpenedFiles(opened))
