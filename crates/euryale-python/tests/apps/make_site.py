"""Run by zconsole: a Plone site with a page, a picture, and a file of 100 MB."""

import io
import random

import PIL.Image
import transaction
from AccessControl.SecurityManagement import newSecurityManager
from plone import api
from plone.namedfile.file import NamedBlobFile, NamedBlobImage
from Products.CMFPlone.factory import addPloneSite
from Testing.makerequest import makerequest
from zope.component.hooks import setSite

app = makerequest(app)  # noqa: F821, zconsole gives it
admin = app.acl_users.getUserById("admin") or app.acl_users.getUser("admin")
newSecurityManager(None, admin.__of__(app.acl_users))
site = addPloneSite(
    app,
    "Plone",
    title="Stheno",
    extension_ids=("plonetheme.barceloneta:default", "plone.app.contenttypes:default"),
    setup_content=False,
    default_language="en",
)
setSite(site)
big = api.content.create(container=site, type="File", id="big", title="big")
data = random.Random(7).randbytes(100 << 20)
big.file = NamedBlobFile(data, contentType="application/octet-stream", filename="big.bin")
page = api.content.create(container=site, type="Document", id="page", title="Euryale's page")
pixels = io.BytesIO()
PIL.Image.effect_noise((1200, 900), 80).convert("RGB").save(pixels, "PNG")
picture = api.content.create(container=site, type="Image", id="picture", title="picture")
picture.image = NamedBlobImage(pixels.getvalue(), contentType="image/png", filename="p.png")
for item in (big, page, picture):
    if api.content.get_state(item, default=None) == "private":
        api.content.transition(item, to_state="published")
transaction.commit()
