"""An application that evaluates If-None-Match itself, by the weak comparison of RFC 9110."""


def app(environ, start_response):
    tag = '"page"'
    if environ.get("HTTP_IF_NONE_MATCH", "").removeprefix("W/") == tag:
        start_response("304 Not Modified", [("ETag", tag)])
        return []
    start_response("200 OK", [("Content-Type", "text/html"), ("ETag", tag)])
    return [b"page " * 1000]
