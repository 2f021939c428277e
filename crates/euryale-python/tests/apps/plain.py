"""An application without a framework, for what servers do."""

import ctypes
import gzip
import io
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

from euryale import _euryale

TEXT = [("Content-Type", "text/plain")]
BIG = os.path.abspath("big.bin")

ran = []
seen = []
local = threading.local()
locals_made = []

signal.signal(signal.SIGUSR1, lambda number, frame: seen.append("USR1"))
signal.signal(signal.SIGUSR2, lambda number, frame: seen.append("USR2"))


class filestream_range_iterator:
    """As plone.namedfile's class of this name."""

    def __init__(self, path, start, end):
        self._io = io.FileIO(path)
        self.start = start
        self.end = end
        self._io.seek(start)
        self.closed = False

    def read(self, size=-1):
        seen.append("read")
        return self._io.read(size)

    def close(self):
        seen.append("range closed in " + threading.current_thread().name)
        self._io.close()


class Backwards:
    """A wrapper whose bytes are not those of its file."""

    def __init__(self, file):
        self.file = self._io = file
        self.start = 0
        self.end = None

    def fileno(self):
        return self.file.fileno()

    def read(self, size=-1):
        return self.file.read(size)[::-1]


class Decoding(Backwards):
    """The same without the attributes of a range."""

    def __init__(self, file):
        self.file = file


def app(environ, start_response):
    path = environ["PATH_INFO"]
    page = globals().get("page_" + path.strip("/"), page_)
    return page(environ, start_response)


def text(start_response, value):
    start_response("200 OK", TEXT)
    return [str(value).encode()]


def page_(environ, start_response):
    ran.append(environ["PATH_INFO"])
    return text(start_response, "hello")


def page_ran(environ, start_response):
    return text(start_response, len(ran))


def page_seen(environ, start_response):
    return text(start_response, "\n".join(seen))


def page_thread(environ, start_response):
    if not hasattr(local, "made"):
        local.made = True
        locals_made.append(threading.current_thread().name)
    kind = type(threading.current_thread()).__name__
    return text(start_response, f"{threading.current_thread().name} {kind} {len(locals_made)}")


def page_threads(environ, start_response):
    names = [thread.name for thread in threading.enumerate()]
    return text(start_response, sum(name[8:].isdigit() for name in names))


def say_and_sleep(pipe):
    pipe.send("running")
    time.sleep(600)


def page_fork(environ, start_response):
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=say_and_sleep, args=(theirs,))
    child.start()
    ours.recv()
    child.terminate()
    child.join(10)
    status = child.exitcode
    child.kill()
    child.join()
    return text(start_response, status)


def page_is_child(environ, start_response):
    """Whether this process is a child of a parent, and whether a program is that it starts."""
    code = "from euryale import _euryale; print(_euryale.is_child())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return text(start_response, f"{_euryale.is_child()} {other.stdout.strip()}")


def page_wait(environ, start_response):
    """Waits until there is a file of the query's name."""
    while not os.path.exists(environ["QUERY_STRING"]):
        time.sleep(0.01)
    return text(start_response, "waited")


def page_held(environ, start_response):
    """Holds the GIL in a call of C's for longer than any test."""
    seen.append("held")
    ctypes.PyDLL(None).sleep(600)
    return text(start_response, "never")


def page_fifo(environ, start_response):
    """Holds the GIL in a call of C's until somebody writes to the FIFO of the query's name."""
    fifo = os.open(environ["QUERY_STRING"], os.O_RDWR)
    ctypes.PyDLL(None).read(fifo, ctypes.create_string_buffer(1), 1)
    os.close(fifo)
    return text(start_response, "read")


def page_stuck(environ, start_response):
    time.sleep(600)
    return text(start_response, "never")


def page_length(environ, start_response):
    body = environ["wsgi.input"].read()
    return text(start_response, f"{len(body)} {environ.get('CONTENT_LENGTH')}")


def page_generator(environ, start_response):
    start_response("200 OK", TEXT)
    return (b"x" * 65536 for _ in range(200))


class Endless:
    """An iterable of the same block for ever, which notes its ``close()``."""

    def __init__(self, block, pause):
        self.block = block
        self.pause = pause

    def __iter__(self):
        return self

    def __next__(self):
        time.sleep(self.pause)
        return self.block

    def close(self):
        seen.append("endless closed")


def page_endless(environ, start_response):
    start_response("200 OK", TEXT)
    return Endless(b"x" * 65536, 0)


def page_events(environ, start_response):
    """As a server-sent stream."""
    start_response("200 OK", [("Content-Type", "text/event-stream")])
    return Endless(b"data: tick\n\n", 0.01)


def page_gated(environ, start_response):
    """Yields a block, and others once there is a file of the query's name."""
    start_response("200 OK", TEXT)
    yield b"first"
    while not os.path.exists(environ["QUERY_STRING"]):
        time.sleep(0.01)
    yield from [b"second", b"third"]
    seen.append("gated ended")


def page_breaks(environ, start_response):
    """Raises after its first block, or before it."""
    start_response("200 OK", TEXT)
    try:
        if not environ["QUERY_STRING"]:
            yield b"first"
        raise ValueError("past the first block")
    finally:
        seen.append("breaks closed")


def page_swallows(environ, start_response):
    """Writes without end, and hides that it cannot."""
    write = start_response("200 OK", TEXT)
    try:
        while True:
            write(b"x" * 65536)
    except OSError as error:
        seen.append(str(error))
    return [b"all is well"]


def page_raises(environ, start_response):
    raise LookupError("an application raised this")


def page_megabyte(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"x" * (1 << 20)]


def page_turns(environ, start_response):
    """Yields large blocks until another thread has had a turn, and says how many it took.

    Nobody has to give the GIL up meanwhile: only code that releases it lets the thread run.
    """
    interval = sys.getswitchinterval()
    go = threading.Event()
    turns = []

    def take_turn():
        go.wait()
        turns.append(1)

    thread = threading.Thread(target=take_turn)
    thread.start()

    def blocks():
        block = b"x" * (16 << 20)
        sys.setswitchinterval(1000)
        try:
            go.set()
            for number in range(1, 16):
                yield block
                if turns:
                    break
        finally:
            sys.setswitchinterval(interval)
        yield b"after %d blocks" % (number if turns else 0)

    start_response("200 OK", TEXT)
    return blocks()


def page_file(environ, start_response):
    size = str(os.stat(BIG).st_size)
    start_response("200 OK", [*TEXT, ("Content-Length", size)])
    return environ["wsgi.file_wrapper"](open(BIG, "rb"), 65536)


def page_offset(environ, start_response):
    file = open(BIG, "rb")
    file.readline()
    file.seek(1000)
    file.read(10)
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](file)


def page_range(environ, start_response):
    headers = [*TEXT, ("Content-Length", "5000"), ("Content-Range", "bytes 100-5099/9000000")]
    start_response("206 Partial Content", headers)
    return environ["wsgi.file_wrapper"](filestream_range_iterator(BIG, 100, 5100), 65536)


def page_whole(environ, start_response):
    """As the range iterator for a request without a range."""
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](filestream_range_iterator(BIG, 0, None), 65536)


def page_gzip(environ, start_response):
    path = os.path.abspath("small.gz")
    with gzip.open(path, "wb") as file:
        file.write(b"unpacked")
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](gzip.open(path))


def small(data):
    with open("small.txt", "wb") as file:
        file.write(data)
    return open("small.txt", "rb")


def page_backwards(environ, start_response):
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](Backwards(small(b"abc")))


def page_decoding(environ, start_response):
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](Decoding(small(b"abc")))


def page_temporary(environ, start_response):
    file = tempfile.NamedTemporaryFile()
    file.write(b"temporary")
    file.seek(0)
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](file)


def page_pipe(environ, start_response):
    read, write = os.pipe()
    os.write(write, b"through a pipe")
    os.close(write)
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](os.fdopen(read, "rb"))
