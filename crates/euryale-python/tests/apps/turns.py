"""An application whose calls compute, wait, and wait for each other."""

import socket
import subprocess
import sys
import threading
import time
import zlib

#: Set by `/open`.
event = threading.Event()
condition = threading.Condition()
lock = threading.Lock()
ours, theirs = socket.socketpair()
BLOCK = bytes(range(256)) * 40_000


def app(environ, start_response):
    page = globals()["page_" + environ["PATH_INFO"].strip("/")]
    text = page()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [text.encode()]


def page_():
    return "hello"


def page_open():
    event.set()
    theirs.send(b"open")
    with condition:
        condition.notify_all()
    return "open"


def burn(seconds):
    """Compute in Python for this time of this thread."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def page_short():
    burn(0.002)
    return "short"


def page_steps():
    for _ in range(50):
        time.sleep(0.0005)
    return "steps"


def page_nap():
    time.sleep(0.3)
    return "nap"


def page_naps():
    for _ in range(100):
        time.sleep(0.003)
    return "naps"


def page_sleep():
    while not event.is_set():
        time.sleep(0.3)
    return "waited"


def page_event():
    event.wait()
    return "waited"


def page_condition():
    with condition:
        condition.wait_for(event.is_set)
    return "waited"


def page_socket():
    ours.recv(4)
    return "waited"


def page_process():
    wait = "import sys; sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", wait], stdin=subprocess.PIPE) as process:
        event.wait()
        process.stdin.close()
        process.wait()
    return "waited"


def page_compress():
    """Computes in C code that does not hold the GIL."""
    while not event.is_set():
        zlib.compress(BLOCK, 9)
    return "waited"


def page_spin():
    """Waits for another request in a loop that computes."""
    while not event.is_set():
        pass
    return "waited"


def page_nested():
    """Waits for a thread that computes until another request has come."""
    thread = threading.Thread(target=page_spin)
    thread.start()
    thread.join()
    return "waited"


def page_locked():
    with lock:
        time.sleep(0.001)
    return "locked"
