"""An application in several processes: its answers name the process and its release."""

import os
import time
from pathlib import Path

FOLDER = Path(os.environ["RELEASES"])
RELEASE = (FOLDER / "release").read_text()
# The file names every process that has imported this module.
with (FOLDER / "imports").open("a") as imports:
    imports.write(f"{os.getpid()}\n")
while (FOLDER / "hold").exists():
    time.sleep(0.01)
if RELEASE == "broken":
    raise RuntimeError("this release is broken")


def app(environ, start_response):
    """Waits until there is a file of the query's name, if there is a query."""
    gate = environ["QUERY_STRING"]
    while gate and not (FOLDER / gate).exists():
        time.sleep(0.01)
    environ["wsgi.input"].read()
    name = f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {RELEASE} {name}".encode()]
