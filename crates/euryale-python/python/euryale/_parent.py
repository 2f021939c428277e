"""The parent of several processes, which never imports the application."""

from __future__ import annotations

import os
import sys
from typing import Callable

from . import _euryale
from ._serve import SettingsError, _PidFile, _take_signals, log, written_log


def first_step() -> None:
    """Complete the start of a child: only the new process knows its own number.

    Call it before the process has a second thread.
    """
    if os.environ.pop(_euryale.FIRST_STEP, None) is not None:
        os.environ["LISTEN_PID"] = str(os.getpid())


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
) -> int:
    """Bind, then start this program again in ``folder``, as often as the settings say.

    Returns the exit status: 0, or 3 if a process did not end well.
    """
    # The command line of this process, whether it was started as a script or with -m.
    program = [sys.executable, *sys.orig_argv[1:]]
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
            return parent.run(read_again)
        except OSError as error:
            raise SettingsError(str(error)) from None
        finally:
            pid.remove()
