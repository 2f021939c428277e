"""Pages with tiles, in layouts and with tags, for tests of transforms."""

import json
from urllib.parse import parse_qs

import euryale

PAGE = """<!DOCTYPE html><html data-layout="/tiles/layout"><head><title>Page</title></head><body>
<div data-panel="main"><p>{text}</p><div data-tile="./tiles/news?n=1"></div>
<div data-tile="/private"></div><div data-tile="/tiles/%2e%2e/private"></div></div></body></html>"""

LAYOUT = """<!DOCTYPE html><html><head><title>Site</title></head><body>
<nav>Menu</nav><main data-panel="main"></main></body></html>"""

CALLS = []


def app(environ, start_response):
    path = environ["PATH_INFO"]
    CALLS.append([environ["REQUEST_METHOD"], path, environ["euryale.is_part"]])
    headers = [("Content-Type", "text/html; charset=utf-8")]
    status = "200 OK"
    if path == "/calls":
        headers = [("Content-Type", "application/json")]
        body = json.dumps(CALLS)
    elif path in ("/page", "/unmarked"):
        if path == "/page":
            environ["euryale.page"].compose()
        body = PAGE.format(text="Text " * 300)
        headers += [("ETag", '"page"'), ("Last-Modified", "Mon, 01 Jun 2026 10:00:00 GMT")]
    elif path == "/tiles/layout":
        body = LAYOUT
    elif path == "/tiles/news":
        number = parse_qs(environ["QUERY_STRING"])["n"][0]
        has_page = "euryale.page" in environ
        body = f"<html><body><b>News {number} {has_page}</b></body></html>"
    elif path == "/private":
        body = "<html><body>secret</body></html>"
    elif path == "/data":
        headers = [("Content-Type", "application/json"), ("ETag", '"data"')]
        body = json.dumps(["value"] * 500)
    elif path == "/untagged":
        headers = [("Content-Type", "application/json")]
        body = json.dumps(["value"] * 500)
    elif path == "/stream":
        headers += [("Content-Length", "2400")] if environ["QUERY_STRING"] else []
        start_response(status, headers)
        return euryale.stream(b"x" * 600 for _ in range(4))
    elif path == "/wsgi-file":
        file = open(__file__, "rb")
        start_response(status, [("Content-Type", "text/html"), ("ETag", '"file"')])
        return environ["wsgi.file_wrapper"](file)
    elif path == "/plain":
        headers.append(("X-Theme-Disabled", "1"))
        body = "<html><body><p>plain</p></body></html>"
    else:
        status, body = "404 Not Found", "<html><body><p>nothing here</p></body></html>"
    body = body.encode()
    headers.append(("Content-Length", str(len(body))))
    start_response(status, headers)
    return [body]
