"""The add-on for Zope and Plone: conflicts, promises and streams that hold no worker.

Plone finds it by itself. A plain Zope includes its ZCML::

    <include package="euryale.zope" />

Under another server than Euryale its subscribers do nothing.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any


def consume(blob: Any, request: Any) -> None:
    """Make the request's body the content of a ZODB blob.

    A large body is linked into place if its file is on the file system of the blobs: set
    ``TMPDIR`` to a folder there. Any other body is copied.
    """
    # ZODB's own folder, once the blob has a connection.
    jar = getattr(blob, "_p_jar", None)
    storage = jar.db().storage if jar is not None else None
    find = getattr(storage, "temporaryDirectory", None)
    with tempfile.TemporaryDirectory(dir=find() if find else None) as folder:
        path = os.path.join(folder, "body")
        request.environ["euryale.body"].persist(path)
        blob.consumeFile(path)
