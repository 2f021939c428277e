"""An application that notes each request when it begins, and answers slowly and at length."""

import os
import time

TEXT = [("Content-Type", "text/plain")]


def answer(name):
    """More than a socket's buffer holds at once."""
    return name.encode() * 40_000


def app(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    begun = os.open("begun", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(begun, name.encode() + b"\n")
    finally:
        os.close(begun)
    environ["wsgi.input"].read()
    time.sleep(0.002)
    start_response("200 OK", TEXT)
    return [answer(name)]
