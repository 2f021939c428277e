"""The entry point for PasteDeploy: ``use = egg:euryale#main``.

The keys of the section are those of ``euryale --help``. waitress's names are
accepted too. An unknown key is an error that names it.
"""

from __future__ import annotations

import sys
from typing import Any, Callable

from ._reload import report_to_hupper
from ._serve import SettingsError, run

# `runwsgi` imports this before the application.
report_to_hupper()


def serve_paste(app: Callable[..., Any], global_conf: Any, **settings: str) -> int:
    """Serve ``app`` until SIGTERM or SIGINT, as a ``paste.server_runner``.

    The process should end afterwards, with status 3 if requests had to be cut.
    Threads and ``atexit`` handlers of the application have what is left of the
    drain's time, but at least 2 s.
    """
    try:
        status = run(settings, lambda: app, is_last=True)
    except SettingsError as error:
        sys.exit(f"euryale: {error}")
    if status:
        sys.exit(status)
    return 0
