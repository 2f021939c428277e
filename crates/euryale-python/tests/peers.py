"""Clients that read an answer block by block."""


def ask(server, path, method="GET"):
    """A client that has asked."""
    peer = server.connect()
    peer.sendall(f"{method} {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n".encode())
    return peer


def begin(server, path, method="GET"):
    """A client that has read the first block."""
    peer = ask(server, path, method)
    got = b""
    while b"first" not in got:
        more = peer.recv(4096)
        assert more, got
        got += more
    assert got.startswith(b"HTTP/1.1 200 OK\r\n")
    return peer


def rest(peer):
    """Everything up to the end of the body, or of the stream."""
    got = b""
    while not got.endswith(b"0\r\n\r\n") and (more := peer.recv(65536)):
        got += more
    return got
