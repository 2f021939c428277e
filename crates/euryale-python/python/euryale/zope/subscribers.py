"""What the publisher's events do under Euryale."""

from __future__ import annotations

from typing import Any

from .. import Again, Suspend
from .futures import MARKED
from .interfaces import IContainsPromises


def publish_again(event: Any) -> None:
    """After a conflict, leave the next attempt to the server: its pause holds no worker.

    A subscriber of ``IPubFailure``. The setting ``conflict_retries`` says how often the server
    publishes a request again. After that the answer is 503.
    """
    if event.retry and "euryale.promises" in event.request.environ:
        raise Again from event.exc_info[1]


def suspend(event: Any) -> None:
    """End a pass that has submitted promises before it is committed, or shows an error.

    A subscriber of ``IPubBeforeCommit`` and ``IPubBeforeAbort``.
    """
    request = event.request
    promises = request.environ.get("euryale.promises")
    if promises is None or not promises.is_pending():
        return
    if MARKED in request.environ and not IContainsPromises.providedBy(request):
        promises.serve_placeholders()
        return
    if getattr(event, "retry", False):
        # A conflict: the next attempt submits them again.
        return
    raise Suspend
