"""What several applications have in common: a page is a function ``page_…``."""

import os
import threading
import time

TEXT = [("Content-Type", "text/plain")]

#: What the pages have noted.
seen = []


def application(pages):
    """Make an application of the pages of a module, given as its ``globals()``."""

    def app(environ, start_response):
        page = pages["page_" + environ["PATH_INFO"].strip("/")]
        return page(environ, start_response)

    return app


def text(start_response, value):
    start_response("200 OK", TEXT)
    return [str(value).encode()]


def page_seen(environ, start_response):
    return text(start_response, "\n".join(seen))


def wait(name):
    """Wait until there is a file of this name, and return the name of this thread."""
    while not os.path.exists(name):
        time.sleep(0.01)
    return threading.current_thread().name
