"""``pyruvate_app.py PORT THREADS MODULE:CALLABLE`` serves it with pyruvate; ``made`` is called first."""

import importlib
import sys

import pyruvate

port, threads, place = sys.argv[1:]
module, _, name = place.partition(":")
app = getattr(importlib.import_module(module), name)
pyruvate.serve(app() if name == "made" else app, f"127.0.0.1:{port}", int(threads))
