"""Diazo, for the workload `theme`: themes a page over and over, in one thread.

Its arguments are the rules and the page. It says the themed page first, as a line of JSON, and then answers each
line with a number of seconds by the pages, the wall seconds and the CPU seconds that it took.
"""

import io
import json
import sys
import time

import diazo.compiler
from lxml import etree

transform = etree.XSLT(diazo.compiler.compile_theme(rules=sys.argv[1]))
with open(sys.argv[2], "rb") as file:
    page = file.read()


def themed():
    content = etree.parse(io.BytesIO(page), parser=etree.HTMLParser(encoding="utf-8"))
    result = transform(content, path=etree.XSLT.strparam("/news/today"))
    return etree.tostring(result, method="html", encoding="utf-8")


print(json.dumps(themed().decode()), flush=True)
for line in sys.stdin:
    seconds = float(line)
    pages, wall, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - wall < seconds:
        themed()
        pages += 1
    print(json.dumps([pages, time.perf_counter() - wall, time.process_time() - cpu]), flush=True)
