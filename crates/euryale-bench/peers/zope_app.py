"""The views of the benchmarks in Zope: published in a transaction, with a connection to a ZODB."""

import os
import time

FOLDER = os.environ["BENCH_FOLDER"]
VIEW = os.environ["BENCH_VIEW"]

ZCML = """
<configure xmlns="http://namespaces.zope.org/zope" xmlns:browser="http://namespaces.zope.org/browser">
  <include package="Zope2.App" />
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


class Hello:
    """A view of the root."""

    def __init__(self, context, request):
        self.request = request

    def __call__(self):
        if VIEW == "slow":
            time.sleep(1)
        self.request.response.setHeader("Content-Type", "text/plain; charset=utf-8")
        return "hello"


def instance():
    home = os.path.join(FOLDER, "zope")
    os.makedirs(os.path.join(home, "etc"), exist_ok=True)
    with open(os.path.join(home, "etc", "site.zcml"), "w") as file:
        file.write(ZCML)
    configuration = os.path.join(home, "etc", "zope.conf")
    with open(configuration, "w") as file:
        file.write(CONFIGURATION.format(home=home))
    return configuration


def made():
    # The views' class is imported by name while Zope starts, and must not start it again.
    from Zope2.Startup.run import make_wsgi_app

    return make_wsgi_app({}, instance())
