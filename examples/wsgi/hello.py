"""A WSGI application: a page, an upload, and a download."""

import os

PAGE = b"""<!doctype html>
<title>Hello</title>
<form action="/upload" method="post" enctype="text/plain">
<p><textarea name="text"></textarea> <button>Send</button>
</form>
<p><a href="/download">This program</a>
"""


def app(environ, start_response):
    """Answer one request, in a worker thread."""
    match environ["PATH_INFO"]:
        case "/":
            start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
            return [PAGE]
        case "/upload":
            # The body has arrived: reading it never waits for the client.
            length = len(environ["wsgi.input"].read())
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"%d bytes\n" % length]
        case "/download":
            # Sent by sendfile(2) after this thread is free again.
            file = open(__file__, "rb")
            size = str(os.fstat(file.fileno()).st_size)
            start_response("200 OK", [("Content-Type", "text/x-python"), ("Content-Length", size)])
            return environ["wsgi.file_wrapper"](file)
        case _:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"not found\n"]
