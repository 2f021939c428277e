"""The parent of several processes, which never imports the application."""

from __future__ import annotations

import os
import signal
import sys
from typing import Callable

from . import _euryale
from ._reload import VARIABLE, Watcher
from ._serve import RUSTS, SettingsError, _PidFile, _take_signals, log, written_log


def first_step() -> None:
    """Complete the start of a child: only the new process knows its own number.

    Call it before the process has a second thread.
    """
    if os.environ.pop(_euryale.FIRST_STEP, None) is not None:
        for name in ("LISTEN_PID", _euryale.CHILD):
            os.environ[name] = str(os.getpid())


def current_folder() -> str:
    """The current folder, by the name that the shell has for it.

    Where that is a link to a release, children that are started later get the release of that time.
    """
    here = os.getcwd()
    named = os.environ.get("PWD", "")
    try:
        return named if os.path.isabs(named) and os.path.samefile(named, here) else here
    except OSError:
        return here


def run_parent(
    settings: dict[str, str],
    folder: str,
    reload: Callable[[], dict[str, str]],
    pid_file: str | None,
    reloads: bool,
) -> int:
    """Bind, then start this program again in ``folder``, as often as the settings say.

    Returns the exit status: 0, or 3 if a process did not end well. If it ``reloads``, the processes
    are replaced when a file changes that one of them has opened.
    """
    # The command line of this process, whether it was started as a script or with -m.
    program = [sys.executable, *sys.orig_argv[1:]]
    watcher = Watcher() if reloads else None
    if watcher is not None:
        os.environ[VARIABLE] = watcher.path
    try:
        return _run(settings, program, folder, reload, pid_file, watcher)
    except NotStarted as error:
        if watcher is None:
            raise SettingsError(str(error)) from None
        log.error("%s; waiting for a change", error)
        _take_back_signals()
        watcher.has_changed.wait()
        watcher.close()
        os.chdir(folder)
        os.execv(program[0], program)
    finally:
        if watcher is not None:
            watcher.close()


class NotStarted(Exception):
    """The first process of the application has ended before it was ready."""


def _take_back_signals() -> None:
    """Let signals end this process: there is nothing to drain."""
    for number in RUSTS:
        signal.signal(number, lambda *_: sys.exit(0))


def _run(
    settings: dict[str, str],
    program: list[str],
    folder: str,
    reload: Callable[[], dict[str, str]],
    pid_file: str | None,
    watcher: Watcher | None,
) -> int:
    try:
        parent = _euryale.Parent(settings, program, folder, log_level=log.getEffectiveLevel())
    except (OSError, ValueError) as error:
        raise SettingsError(str(error)) from None

    def read_again() -> None:
        try:
            parent.reread(reload())
        except Exception as error:
            # Children that cannot read the settings do not replace those that serve.
            log.error("reload: the settings of the parent stay as they were: %s", error)

    pid = _PidFile(pid_file)
    with written_log(parent):
        try:
            pid.write()
            _take_signals()
            if watcher is not None:
                watcher.start(parent.roll)
            return parent.run(read_again)
        except OSError as error:
            raise NotStarted(str(error)) from None
        finally:
            pid.remove()
