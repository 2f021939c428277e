"""Run by zconsole after make_site.py: content whose pages differ in what a theme looks at."""

import struct
import zlib

import transaction
from AccessControl.SecurityManagement import newSecurityManager
from plone import api
from plone.app.textfield.value import RichTextValue
from plone.namedfile.file import NamedBlobImage
from plone.portlet.static.static import Assignment
from plone.portlets.constants import CONTEXT_CATEGORY
from plone.portlets.interfaces import (
    ILocalPortletAssignmentManager,
    IPortletAssignmentMapping,
    IPortletManager,
)
from Testing.makerequest import makerequest
from zope.component import getMultiAdapter, getUtility
from zope.component.hooks import setSite

MOST_PORTLETS = 5


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    rows = b"".join(b"\0" + b"\x20\x60\xa0" * width for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in parts)


def html(text: str) -> RichTextValue:
    return RichTextValue(text, "text/html", "text/x-html-safe")


def published(container, kind: str, name: str, **fields):
    item = api.content.create(container=container, type=kind, id=name, **fields)
    api.content.transition(item, to_state="published")
    return item


def footers(folder, count: int) -> None:
    """The footer of a folder has so many portlets of its own, and none of the site's."""
    manager = getUtility(IPortletManager, name="plone.footerportlets")
    inherited = getMultiAdapter((folder, manager), ILocalPortletAssignmentManager)
    inherited.setBlacklistStatus(CONTEXT_CATEGORY, True)
    own = getMultiAdapter((folder, manager), IPortletAssignmentMapping)
    for number in range(count):
        text = f"<p>Text {number} &amp; <b>more</b></p>"
        more = "/more" if number % 2 else ""
        own[f"static-{number}"] = Assignment(
            header=f"Head {number}",
            text=html(text),
            omit_border=number == 3,
            footer=f"Foot {number}" if number % 3 else "",
            more_url=more,
        )


app = makerequest(app)  # noqa: F821, zconsole gives it
admin = app.acl_users.getUserById("admin") or app.acl_users.getUser("admin")
newSecurityManager(None, admin.__of__(app.acl_users))
site = app["Plone"]
setSite(site)
text = "<h2>Part</h2><p>A<br>B &amp; C</p><table><tr><th>x</th><td>1</td></tr></table>"
published(site, "Document", "document", title="Document <one>", text=html(text))
folder = published(site, "Folder", "folder", title="Folder", description="With & without")
for number in range(3):
    published(folder, "Document", f"part-{number}", title=f"Part {number}")
picture = NamedBlobImage(png(64, 48), contentType="image/png", filename="picture.png")
published(
    folder,
    "News Item",
    "news",
    title="News",
    image=picture,
    image_caption="A picture",
    text=html(text),
)
for count in range(MOST_PORTLETS + 1):
    footers(published(site, "Folder", f"footers-{count}", title=f"Footers {count}"), count)
transaction.commit()
