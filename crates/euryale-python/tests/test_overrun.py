"""Calls of the application that have run for too long."""

import re
from concurrent.futures import ThreadPoolExecutor

from conftest import until


def begin(server, path: str):
    """A request whose answer nobody awaits."""
    peer = server.connect()
    peer.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    return peer


def test_the_stack_of_a_stuck_call_is_logged_and_readiness_ends_with_the_last_worker(euryale):
    server = euryale("plain:app", "--threads", "2", "--call-timeout", "100ms", "--drain", "1s")
    assert server.operators("/readyz").status == 200
    peers = [begin(server, "/stuck")]
    until(lambda: "time.sleep(600)" in server.log, "its stack is logged")
    said = re.search(r"(euryale-[01]) has run GET /stuck for [\d.]+ s, in thread (\d+) ", server.log)
    assert said, server.log
    assert "in page_stuck" in server.log, "the stack names the application's function"
    assert "has run GET /stuck for" in server.operators("/status").text
    assert said.group(1) in server.operators("/status").text
    assert server.operators("/readyz").status == 200, "another worker is free"
    assert server.ask("/").status == 200
    peers.append(begin(server, "/stuck"))
    until(lambda: server.operators("/readyz").status == 503, "no worker is left")
    assert server.agent_check().startswith("down")
    until(lambda: server.log.count("time.sleep(600)") == 2, "each stack is logged")
    assert server.stop() == 3
    assert server.log.count("time.sleep(600)") == 2, "once"


def test_a_server_is_ready_again_when_a_slow_call_has_returned(euryale):
    server = euryale("plain:app", "--threads", "1", "--call-timeout", "50ms")
    with ThreadPoolExecutor(1) as clients:
        waits = clients.submit(server.ask, "/wait?a")
        until(lambda: server.operators("/readyz").status == 503, "no worker is left")
        server.open("a")
        assert waits.result().text == "waited"
    until(lambda: server.operators("/readyz").status == 200, "it is ready again")
    assert server.stop() == 0


def test_a_call_that_holds_the_gil_is_named_with_its_thread_in_the_kernel(euryale):
    server = euryale("plain:app", "--threads", "2", "--gil-timeout", "200ms", "--drain", "1s")
    peer = begin(server, "/held")
    pattern = r"euryale-[01] has run GET /held for [\d.]+ s, in thread (\d+) \(.+\), which sleeps"
    until(lambda: re.search(pattern, server.log), "it is named")
    assert server.stop() == 3
    peer.close()
