"""A program that serves twice."""

import logging

import euryale


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"again"]


logging.basicConfig(level=logging.INFO)
for number in (1, 2):
    status = euryale.serve(app, listen="127.0.0.1:0")
    print(f"ended {number} with {status}", flush=True)
