"""Plone with a view that writes files of a theme into the database, and applies it."""

from zope.component import getUtility, provideAdapter
from zope.interface import Interface, alsoProvides
from zope.publisher.interfaces.browser import IBrowserRequest


def factory(global_conf, **settings):
    from Zope2.Startup.run import make_wsgi_app

    zope = make_wsgi_app(global_conf, **settings)
    provideAdapter(WriteTheme, (Interface, IBrowserRequest), Interface, "write-theme")
    return zope


class WriteTheme:
    __roles__ = None

    def __init__(self, context, request):
        self.request = request

    def __call__(self):
        from plone.app.theming.utils import applyTheme, getTheme
        from plone.protect.interfaces import IDisableCSRFProtection
        from plone.resource.interfaces import IResourceDirectory

        alsoProvides(self.request, IDisableCSRFProtection)
        root = getUtility(IResourceDirectory, name="persistent")
        root.makeDirectory("theme/stored/parts")
        for name in ("rules.xml", "parts/index.html"):
            if name in self.request.form:
                root["theme"]["stored"].writeFile(name, self.request.form[name])
        applyTheme(getTheme(self.request.form["apply"], {}))
        return "written"
