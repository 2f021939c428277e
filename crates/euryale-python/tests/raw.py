"""HTTP/1.1 by hand: what a client library would hide."""

from __future__ import annotations


class Raw:
    """An answer as its bytes came."""

    def __init__(self, data: bytes, was_reset: bool):
        head, _, rest = data.partition(b"\r\n\r\n")
        self.status_line, *lines = head.decode("latin-1").split("\r\n")
        pairs = [line.split(":", 1) for line in lines]
        self.fields = [(name.lower(), value.strip()) for name, value in pairs]
        self.headers = dict(self.fields)
        self.complete = bool(head) and not was_reset
        self.body = rest
        if self.headers.get("transfer-encoding") == "chunked":
            self.body, ended = unchunked(rest)
            self.complete = self.complete and ended
        elif "content-length" in self.headers and rest:
            self.complete = len(rest) == int(self.headers["content-length"])

    @property
    def status(self) -> int:
        return int(self.status_line.split(" ")[1])


def unchunked(rest: bytes) -> tuple[bytes, bool]:
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        if int(size, 16) == 0:
            return body, True
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return body, False
