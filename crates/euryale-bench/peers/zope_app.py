"""The views of the benchmarks in Zope: published in a transaction, with a connection to a ZODB."""

import os
import time
from importlib.util import find_spec

FOLDER = os.environ["BENCH_FOLDER"]
VIEW = os.environ["BENCH_VIEW"]

ZCML = """
<configure xmlns="http://namespaces.zope.org/zope" xmlns:browser="http://namespaces.zope.org/browser">
  <include package="Zope2.App" />
  {includes}
  <browser:page for="OFS.interfaces.IApplication" name="count" class="zope_app.Count" permission="zope.Public" />
  <browser:page for="OFS.interfaces.IApplication" name="value" class="zope_app.Value" permission="zope.Public" />
  <browser:page for="OFS.interfaces.IApplication" name="hello" class="zope_app.Hello" permission="zope.Public" />
  <browser:defaultView for="OFS.interfaces.IApplication" name="hello" />
</configure>
"""

CONFIGURATION = """
instancehome {home}
<zodb_db main>
  <mappingstorage>
  </mappingstorage>
  mount-point /
</zodb_db>
"""


#: The add-on of our Python package, for the views that need it.
INCLUDES = '<include package="euryale.zope" />'


class View:
    """A view of the root."""

    def __init__(self, context, request):
        self.context = context
        self.request = request

    def __call__(self):
        self.request.response.setHeader("Content-Type", "text/plain; charset=utf-8")
        return self.text()


class Hello(View):
    def text(self):
        if VIEW == "slow":
            time.sleep(1)
        elif VIEW == "promise":
            self.promised(["slow"], 1)
        elif VIEW == "promises":
            self.promised(["rain", "wind", "sun"], 0.3)
        return "hello"

    def promised(self, keys, seconds):
        from euryale.zope import futures

        for key in keys:
            futures.resultOrSubmit(key, None, time.sleep, seconds)


class Count(View):
    """Adds one, so slowly that two of them conflict."""

    def text(self):
        value = getattr(self.context, "counted", 0)
        time.sleep(0.002)
        self.context.counted = value + 1
        return "counted"


class Value(View):
    def text(self):
        return str(getattr(self.context, "counted", 0))


def instance():
    home = os.path.join(FOLDER, "zope")
    os.makedirs(os.path.join(home, "etc"), exist_ok=True)
    with open(os.path.join(home, "etc", "site.zcml"), "w") as file:
        is_ours = VIEW in ("promise", "promises", "conflicts") and find_spec("euryale")
        file.write(ZCML.format(includes=INCLUDES if is_ours else ""))
    configuration = os.path.join(home, "etc", "zope.conf")
    with open(configuration, "w") as file:
        file.write(CONFIGURATION.format(home=home))
    return configuration


def made():
    # The views' class is imported by name while Zope starts, and must not start it again.
    from Zope2.Startup.run import make_wsgi_app

    return make_wsgi_app({}, instance())
