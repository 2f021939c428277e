"""A Plone site with the files of the benchmarks, and a page, under the paths that all servers have.

``plone_app.py make`` makes the site once, and adds the files that are new.
``plone_app.py serve SERVER PORT THREADS`` becomes ``runwsgi`` with this server.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(os.environ["BENCH_FOLDER"])
HOME = FOLDER / "plone"
CONFIGURATION = HOME / "etc" / "zope.conf"

ZOPE_CONF = f"""
instancehome {HOME}
default-zpublisher-encoding utf-8
<zodb_db main>
  cache-size 30000
  pool-size 50
  <blobstorage>
    blob-dir {HOME}/var/blobstorage
    <filestorage>
      path {HOME}/var/Data.fs
    </filestorage>
  </blobstorage>
  mount-point /
</zodb_db>
"""

INI = """
[app:main]
paste.app_factory = plone_app:factory
zope_conf = {configuration}
[server:main]
use = egg:{server}#main
listen = 127.0.0.1:{port}
threads = {threads}
"""


def program(name):
    return str(Path(sys.executable).with_name(name))


def names():
    """The files of the folder that the site is to have."""
    return sorted(path.name for path in FOLDER.glob("blob-*"))


def make():
    has = HOME / "has"
    if has.exists() and has.read_text().split() == names():
        return
    if not has.exists():
        shutil.rmtree(HOME, ignore_errors=True)
        subprocess.run([program("mkwsgiinstance"), "-d", HOME, "-u", "admin:admin"], check=True)
        (HOME / "var" / "blobstorage").mkdir(exist_ok=True)
        CONFIGURATION.write_text(ZOPE_CONF)
    subprocess.run([program("zconsole"), "run", CONFIGURATION, __file__], check=True)
    has.write_text("\n".join(names()))


def fill(app):
    """Run by zconsole: the site, its page, and the files that it has not yet."""
    import transaction
    from AccessControl.SecurityManagement import newSecurityManager
    from plone import api
    from plone.namedfile.file import NamedBlobFile
    from Products.CMFPlone.factory import addPloneSite
    from Testing.makerequest import makerequest
    from zope.component.hooks import setSite

    app = makerequest(app)
    admin = app.acl_users.getUserById("admin") or app.acl_users.getUser("admin")
    newSecurityManager(None, admin.__of__(app.acl_users))
    if "Plone" not in app.objectIds():
        extensions = ("plonetheme.barceloneta:default", "plone.app.contenttypes:default")
        addPloneSite(app, "Plone", title="Plone", extension_ids=extensions, setup_content=False)
    site = app.Plone
    setSite(site)
    made = []
    if "page" not in site.objectIds():
        made.append(api.content.create(container=site, type="Document", id="page", title="Page"))
    for name in names():
        if name in site.objectIds():
            continue
        item = api.content.create(container=site, type="File", id=name, title=name)
        item.file = NamedBlobFile(b"", contentType="application/octet-stream", filename=name)
        with open(FOLDER / name, "rb") as file, item.file._blob.open("w") as blob:
            shutil.copyfileobj(file, blob)
        made.append(item)
    for item in made:
        if api.content.get_state(item, default=None) == "private":
            api.content.transition(item, to_state="published")
    transaction.commit()


class Hello:
    """A view of the root."""

    __roles__ = None

    def __init__(self, context, request):
        self.request = request

    def __call__(self):
        self.request.response.setHeader("Content-Type", "text/plain; charset=utf-8")
        return "hello"


def factory(global_conf, zope_conf):
    from Zope2.Startup.run import make_wsgi_app
    from zope.component import provideAdapter
    from zope.interface import Interface
    from zope.publisher.interfaces.browser import IBrowserRequest

    zope = make_wsgi_app(global_conf, zope_conf)
    provideAdapter(Hello, (Interface, IBrowserRequest), Interface, "hello")

    def app(environ, start_response):
        """Only the path changes: what Zope returns is what the server gets."""
        path = environ["PATH_INFO"]
        if path == "/":
            environ["PATH_INFO"] = "/@@hello"
        elif path.startswith("/blob-"):
            environ["PATH_INFO"] = f"/Plone{path}/@@download/file"
        else:
            environ["PATH_INFO"] = f"/Plone{path}"
        return zope(environ, start_response)

    return app


def serve(server, port, threads):
    ini = HOME / "etc" / f"{server}.ini"
    text = INI.format(configuration=CONFIGURATION, server=server, port=port, threads=threads)
    ini.write_text(text)
    runwsgi = program("runwsgi")
    os.execv(runwsgi, [runwsgi, str(ini)])


if "app" in globals():
    fill(app)  # noqa: F821, zconsole gives it
elif __name__ == "__main__":
    match sys.argv[1:]:
        case ["make"]:
            make()
        case ["serve", *arguments]:
            serve(*arguments)
