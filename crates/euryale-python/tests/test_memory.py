"""Memory over many requests."""

import os
import socket
from concurrent.futures import ThreadPoolExecutor

from conftest import PATIENCE, Served, until

#: Of each kind. 20,000 in all; 200,000 with EURYALE_REQUESTS=64500.
REQUESTS = int(os.environ.get("EURYALE_REQUESTS", "6500"))

#: Requests that are sent at a time on one socket.
PIPELINED = 50

#: What each socket asks for: a small page, a body, an exception, a long answer.
KINDS = [
    b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"POST /length HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
    b"GET /raises HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /megabyte HTTP/1.1\r\nHost: h\r\n\r\n",
]


def ask_often(server: Served, request: bytes, count: int) -> int:
    """Send it as often on one socket, and return the number of answers."""
    answers = 0
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as peer:
        with peer.makefile("rb") as answered:
            for _ in range(count // PIPELINED):
                peer.sendall(request * PIPELINED)
                for _ in range(PIPELINED):
                    assert answered.readline().startswith(b"HTTP/1.1 ")
                    length = 0
                    while (line := answered.readline()) != b"\r\n":
                        name, _, value = line.partition(b":")
                        if name.lower() == b"content-length":
                            length = int(value)
                    assert len(answered.read(length)) == length
                    answers += 1
    return answers


def test_memory_is_flat_over_twenty_thousand_requests(euryale):
    server = euryale("plain:app", "--threads", "2")

    def all_kinds(count: int) -> int:
        with ThreadPoolExecutor(len(KINDS)) as clients:
            # A long answer costs as much as fifty short ones.
            counts = [count, count, count, count // 10]
            return sum(clients.map(ask_often, [server] * len(KINDS), KINDS, counts))

    # Caches and the heaps of threads grow with the first ones.
    assert all_kinds(1000) == 3100
    before = server.memory()
    assert all_kinds(REQUESTS) == 3 * REQUESTS + REQUESTS // 10
    until(lambda: server.metric("euryale_publishers_running") == 0, "all are answered")
    # Less than 200 bytes for each request of CI.
    grown = server.memory() - before
    print(f"memory grew by {grown} bytes")
    assert grown < 4 << 20
    assert server.stop() == 0
