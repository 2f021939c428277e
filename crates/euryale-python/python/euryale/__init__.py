"""WSGI applications behind an asynchronous front.

A worker thread runs the application and nothing else: request bodies have
arrived before it is called, and answers are sent after it has returned.

Serve with the command ``euryale module:app``, with ``use = egg:euryale#main``
in an ini file for PasteDeploy, or from Python::

    import euryale

    euryale.serve(app, listen="127.0.0.1:8080", threads=4)

A test suite runs ``euryale.create_server(app)`` in a thread of its own.
"""

from ._embedded import EmbeddedServer, create_server
from ._euryale import (
    Again,
    Deferred,
    FileWrapper,
    LaneFull,
    Promises,
    RequestBody,
    Stream,
    Suspend,
    __version__,
    after_commit,
    deferred,
    stream,
)
from ._serve import SettingsError, serve

__all__ = [
    "Again",
    "Deferred",
    "EmbeddedServer",
    "FileWrapper",
    "LaneFull",
    "Promises",
    "RequestBody",
    "SettingsError",
    "Stream",
    "Suspend",
    "__version__",
    "after_commit",
    "create_server",
    "deferred",
    "serve",
    "stream",
]
