"""An application that names files, and says who its user is."""

import os

import euryale

PDF = "application/pdf"


def app(environ, start_response):
    name = environ["PATH_INFO"].split("/")[1] or "user"
    return globals()["page_" + name](environ, start_response)


def named(environ):
    """The field and its value, as they are in the query: ``X-Sendfile=/path``."""
    field, _, value = environ["QUERY_STRING"].partition("=")
    return field, value.replace("+", " ")


def page_named(environ, start_response):
    headers = [("Content-Type", PDF), ("ETag", '"mine"'), named(environ)]
    start_response("200 OK", headers)
    return [b"a body that is not sent"]


def page_django(environ, start_response):
    """As django-sendfile2: with the length of the file, and without a body."""
    headers = [("Content-Type", PDF), ("Content-Length", "10"), named(environ)]
    start_response("200 OK", headers)
    return [b""]


def page_werkzeug(environ, start_response):
    """As Werkzeug's ``send_file`` for a request with a range."""
    headers = [("Content-Type", PDF), ("Content-Length", "3"), named(environ)]
    headers.append(("Content-Range", "bytes 2-4/10"))
    start_response("206 Partial Content", headers)
    return []


def page_forbidden(environ, start_response):
    start_response("403 Forbidden", [("Content-Type", "text/plain"), named(environ)])
    return []


def page_unchanged(environ, start_response):
    start_response("304 Not Modified", [("ETag", '"mine"'), named(environ)])
    return []


def page_blocks(environ, start_response):
    """A generator, of which an early answer would leave with the first block."""
    start_response("200 OK", [("Content-Type", PDF), named(environ)])
    yield b"first"
    yield b"second"


def page_deferred(environ, start_response):
    headers = [("Content-Type", PDF), named(environ)]
    return euryale.deferred(lambda: ("200 OK", headers, b""))


def page_wrapped(environ, start_response):
    """The file of the query, opened by the application."""
    path, _, policy = environ["QUERY_STRING"].partition("&")
    fields = [tuple(policy.split("=", 1))] if policy else []
    start_response("200 OK", [("Content-Type", PDF), *fields])
    return environ["wsgi.file_wrapper"](open(path, "rb"))


def page_user(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    header = environ.get("HTTP_X_REMOTE_USER", "-")
    kinds = sorted(key for key in environ if "SENDFILE" in key or "ACCEL" in key)
    return [f"{environ.get('REMOTE_USER', '-')} {header} {os.getpid()} {kinds}".encode()]


def page_path(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode("latin-1")]


def page_raises(environ, start_response):
    raise LookupError("a secret detail")
