"""Zope with a view that writes, and a count of the ZODB connections that were ever made."""

import threading
import time

from ZODB.Connection import Connection
from zope.component import provideAdapter
from zope.interface import Interface
from zope.publisher.interfaces.browser import IBrowserRequest

opened = []
made = Connection.__init__


def counting(self, *arguments, **keywords):
    opened.append(threading.current_thread().name)
    made(self, *arguments, **keywords)


class Count:
    """Adds one to a number in the database, slowly, so that two of them conflict."""

    __roles__ = None

    def __init__(self, context, request):
        self.context = context

    def __call__(self):
        root = self.context.getPhysicalRoot()
        value = getattr(root, "counted", 0)
        time.sleep(0.005)
        root.counted = value + 1
        return str(value + 1)


def factory(global_conf, **settings):
    from Zope2.Startup.run import make_wsgi_app

    # The pool keeps the connection of the start, and a request gets it.
    Connection.__init__ = counting
    zope = make_wsgi_app(global_conf, **settings)
    provideAdapter(Count, (Interface, IBrowserRequest), Interface, "count")
    return Counted(zope)


class Counted:
    def __init__(self, zope):
        self.zope = zope

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"]
        if not path.startswith("/-/"):
            return self.zope(environ, start_response)
        start_response("200 OK", [("Content-Type", "text/plain")])
        if path == "/-/connections":
            return ["\n".join(opened).encode()]
        import Zope2

        connection = Zope2.DB.open()
        try:
            root = connection.root()["Application"]
            root._p_activate()
            return [str(root.__dict__.get("counted", 0)).encode()]
        finally:
            connection.close()


def checked(global_conf, **settings):
    """Zope with ``wsgiref.validate`` around it."""
    from wsgiref.validate import validator

    return validator(factory(global_conf, **settings).zope)
