"""A counter. Conflicts are retried after a pause that holds no worker."""

import sqlite3

import euryale

FILE = "counter.sqlite3"

with sqlite3.connect(FILE) as database:
    database.execute("create table if not exists counter as select 0 as value")


def app(environ, start_response):
    """Add one in a transaction, which may conflict with that of another worker."""
    database = sqlite3.connect(FILE, timeout=0.1)
    try:
        with database:
            database.execute("begin")
            (value,) = database.execute("select value from counter").fetchone()
            database.execute("update counter set value = ?", [value + 1])
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise euryale.Again from error
        raise
    finally:
        database.close()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d\n" % (value + 1)]
