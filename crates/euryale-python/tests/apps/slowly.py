"""An application whose import ends when a file is there."""

import os
import time

while not os.path.exists(os.environ["GATE"]):
    time.sleep(0.01)


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"slowly"]
