"""Run by zconsole: creates a Plone site with a page, a picture and a file."""

import io
import random

import PIL.Image
import transaction
from AccessControl.SecurityManagement import newSecurityManager
from plone import api
from plone.namedfile.file import NamedBlobFile, NamedBlobImage
from Products.CMFPlone.factory import addPloneSite
from Testing.makerequest import makerequest
from zope.component import getGlobalSiteManager
from zope.component.hooks import setSite
from zope.publisher.interfaces.browser import IBrowserRequest

from euryale.zope.interfaces import IFutures

app = makerequest(app)  # noqa: F821, zconsole gives it
admin = app.acl_users.getUser("admin")
newSecurityManager(None, admin.__of__(app.acl_users))
site = addPloneSite(
    app,
    "Plone",
    title="Gorgons",
    extension_ids=("plonetheme.barceloneta:default", "plone.app.contenttypes:default"),
    setup_content=False,
    default_language="en",
)
setSite(site)
page = api.content.create(container=site, type="Document", id="page", title="Stheno")
pixels = io.BytesIO()
PIL.Image.effect_noise((1200, 900), 80).convert("RGB").save(pixels, "PNG")
picture = api.content.create(container=site, type="Image", id="picture", title="Medusa")
picture.image = NamedBlobImage(pixels.getvalue(), contentType="image/png", filename="medusa.png")
film = api.content.create(container=site, type="File", id="film", title="A film")
data = random.Random(7).randbytes(10 << 20)
film.file = NamedBlobFile(data, contentType="video/mp4", filename="film.mp4")
for item in (page, picture, film):
    if api.content.get_state(item, default=None) == "private":
        api.content.transition(item, to_state="published")
# Plone has found the add-on, although no ZCML of ours names it.
assert getGlobalSiteManager().adapters.registered([IBrowserRequest], IFutures)
transaction.commit()
