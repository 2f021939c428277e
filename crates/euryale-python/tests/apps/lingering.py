"""An application that leaves behind what LEFT names."""

import atexit
import os
import signal
import threading


def wait_for_ever():
    threading.Event().wait()


def interrupted(number, frame):
    raise LookupError("a handler raised this")


signal.signal(signal.SIGUSR1, interrupted)
if os.environ["LEFT"] == "thread":
    threading.Thread(target=wait_for_ever, name="lingering").start()
elif os.environ["LEFT"] == "atexit":
    atexit.register(wait_for_ever)


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"lingering"]
