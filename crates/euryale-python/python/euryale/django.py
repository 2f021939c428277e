"""Django: requests that are published again after a conflict, and streams that hold no worker.

Put the middleware last, and name the methods that may be published again::

    MIDDLEWARE = [..., "euryale.django.ConflictMiddleware"]
    EURYALE_RETRY_METHODS = ["GET", "POST"]

It counts only for views inside the transaction of ``ATOMIC_REQUESTS``, on all
databases that the thread has used: nothing of a failed attempt is kept.

Streaming responses are read outside the workers if ``wsgi.py`` says so::

    application = streaming(get_wsgi_application())
"""

from __future__ import annotations

import sqlite3
from typing import Any, Callable

from django.conf import settings
from django.db import OperationalError, connections

from ._euryale import Again, stream

__all__ = ["ConflictMiddleware", "is_conflict", "streaming"]

#: ``serialization_failure`` and ``deadlock_detected`` of the SQL standard and PostgreSQL.
SQLSTATES = frozenset(["40001", "40P01"])

#: ``ER_LOCK_DEADLOCK`` of MySQL and MariaDB.
MYSQL_DEADLOCK = 1213


def is_conflict(error: BaseException) -> bool:
    """Whether a database rolled back because of another transaction."""
    if not isinstance(error, OperationalError):
        return False
    cause = error.__cause__
    # psycopg has `sqlstate`, and psycopg2 has `pgcode`.
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    if state is not None:
        return state in SQLSTATES
    if isinstance(cause, sqlite3.OperationalError):
        # Python 3.10 has no `sqlite_errorcode`.
        code = getattr(cause, "sqlite_errorcode", None)
        return code & 0xFF == 5 if code else str(cause) == "database is locked"
    return bool(error.args) and error.args[0] == MYSQL_DEADLOCK


class ConflictMiddleware:
    """Raise :class:`euryale.Again` for conflicts of requests with the methods of the settings."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[Any], Any]):
        self.get_response = get_response
        self.methods = frozenset(getattr(settings, "EURYALE_RETRY_METHODS", ()))

    def __call__(self, request: Any) -> Any:
        return self.get_response(request)

    def process_template_response(self, request: Any, response: Any) -> Any:
        # It is rendered after the commit, so its errors must not publish it again.
        request._euryale_has_committed = True
        return response

    def process_exception(self, request: Any, exception: Exception) -> None:
        if request.method not in self.methods or not is_conflict(exception):
            return
        if not getattr(request, "_euryale_has_committed", False) and is_atomic(request):
            request.close()
            raise Again from exception


def is_atomic(request: Any) -> bool:
    """Whether the view ran inside one transaction on each database that the thread has used."""
    view = request.resolver_match.func
    without = getattr(view, "_non_atomic_requests", frozenset())
    used = connections.all(initialized_only=True)
    return all(
        connection.settings_dict["ATOMIC_REQUESTS"] and connection.alias not in without
        for connection in used
    )


def streaming(application: Callable[..., Any]) -> Callable[..., Any]:
    """Return Django's WSGI application, whose streaming responses are streams of the server.

    Their content may use the database: each thread has a connection of its own.
    """

    def leaving(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        response = application(environ, start_response)
        # A `FileResponse` is a `wsgi.file_wrapper` by now.
        return stream(response) if getattr(response, "streaming", False) else response

    return leaving
