"""Themes of Plone's pages, which the server applies when the worker is free.

plone.app.theming stays enabled and decides as before: whether a page is themed, with which rules,
and with which parameters. This takes the place of its transform if the setting ``themes`` is on.
"""

from __future__ import annotations

import logging
from hashlib import sha256
from typing import Any, Iterator
from urllib.parse import urlsplit

from Acquisition import aq_base
from plone.app.theming import utils
from plone.app.theming.interfaces import THEME_RESOURCE_NAME, IThemingLayer
from plone.app.theming.transform import ThemeTransform
from plone.resource.interfaces import IResourceDirectory
from plone.resource.utils import iterDirectoriesOfType, queryResourceDirectory
from plone.transformchain.interfaces import DISABLE_TRANSFORM_REQUEST_KEY
from Products.BTreeFolder2.BTreeFolder2 import BTreeFolder2
from ZODB.POSException import ConflictError
from zope.component import queryUtility

#: The files of a theme in the database that rules can name. Others are images and the like.
TEXTS = (".htm", ".html", ".txt", ".xhtml", ".xml", ".xsl")

log = logging.getLogger("euryale.zope")


class HandedOverTheme(ThemeTransform):
    """Names the theme of a page, and leaves the page as it is.

    So plone.protect, whose order is 9000, adds its tokens before the page is themed.
    """

    def transformIterable(self, result: Any, encoding: str) -> Any:
        environ = self.request.environ
        if environ.get("euryale.is_part"):
            # A document that the rules of a page take content from has no theme of its own.
            return None
        page = environ.get("euryale.page")
        if page is None or not page.has_themes or self.debug_theme():
            return super().transformIterable(result, encoding)
        hand_over(self.request, page)
        return None


def hand_over_head(event: Any) -> None:
    """Name the theme for an answer to HEAD, on which plone.transformchain does not run.

    A subscriber of ``IPubBeforeCommit`` and ``IPubBeforeAbort``. The server then sends neither a
    length nor an ``ETag``, because they would be those of the page before its theme.
    """
    request = event.request
    page = request.environ.get("euryale.page")
    if page is None or not page.has_themes or request.get("REQUEST_METHOD") != "HEAD":
        return
    if getattr(event, "retry", False) or not IThemingLayer.providedBy(request):
        return
    if request.environ.get(DISABLE_TRANSFORM_REQUEST_KEY, False):
        return
    hand_over(request, page)
    kind = request.response.getHeader("Content-Type") or ""
    if kind.startswith("text/") and utils.isThemeEnabled(request):
        # WebDAV answers HEAD for content, with a type, a size and a tag that are not its page's.
        for name in ("content-length", "etag"):
            request.response.headers.pop(name, None)


def hand_over(request: Any, page: Any) -> None:
    """Name the theme. If that fails, the page is sent without it, and the log says why."""
    try:
        _hand_over(request, page)
    except ConflictError:
        raise
    except Exception:
        # An exception would keep plone.protect from its work.
        log.exception("%s is sent without its theme", request.get("URL"))


def _hand_over(request: Any, page: Any) -> None:
    policy = utils.theming_policy(request)
    if not policy.isThemeEnabled():
        return
    settings = policy.getSettings()
    if settings is None or not settings.rules:
        return
    kind = request.response.getHeader("Content-Type")
    if kind is None or not kind.startswith("text/html"):
        return
    prefix = utils.expandAbsolutePrefix(settings.absolutePrefix or None)
    stored = _Stored.current()
    key = repr((settings.rules, prefix, settings.doctype, stored.digest))
    parameters = _parameters(request, policy, settings)
    if page.theme(key, parameters):
        return
    page.add_theme(
        key,
        _path_of(settings.rules),
        prefix=prefix,
        doctype=(settings.doctype or "").strip() or None,
        folders=_folders(),
        texts=dict(stored.texts()),
    )
    page.theme(key, parameters)


def _parameters(request: Any, policy: Any, settings: Any) -> dict[str, Any]:
    """The values that ``prepareThemeParameters`` computes, before they are quoted for XSLT."""
    url = request.get("ACTUAL_URL", "")
    base = request.get("BASE1", "")
    parts = urlsplit(base.lower())
    parameters = {
        "url": url,
        "base": base,
        "path": url[len(base) :],
        "scheme": parts.scheme,
        "host": parts.netloc,
    }
    texts = settings.parameterExpressions
    if not texts:
        return parameters
    cache = policy.getCache()
    if cache.expressions is None:
        compiled = {name: utils.compileExpression(text) for name, text in texts.items()}
        cache.updateExpressions(compiled)
    context = utils.createExpressionContext(utils.findContext(request), request)
    for name, expression in cache.expressions.items():
        parameters[name] = expression(context)
    return parameters


def _path_of(rules: str) -> str:
    """The path of the rules on the disk, or below the address of a theme in the database."""
    if rules.lower().startswith("python://"):
        return utils.resolvePythonURL(rules)
    _, is_mounted, mounted = rules.partition(f"++{THEME_RESOURCE_NAME}++")
    name, _, path = mounted.partition("/")
    folder = queryResourceDirectory(THEME_RESOURCE_NAME, name) if is_mounted else None
    if folder is None:
        # Nothing else is read: this path does not exist, and the log says so.
        return f"/++unknown++/{rules}"
    return f"{_folder(folder)}/{path}"


def _folders() -> dict[str, str]:
    """The folder of each theme. One in the database is found before others of its name."""
    return {
        folder.__name__: _folder(folder) for folder in iterDirectoriesOfType(THEME_RESOURCE_NAME)
    }


def _folder(directory: Any) -> str:
    on_disk = getattr(directory, "directory", None)
    return on_disk or f"/++{THEME_RESOURCE_NAME}++{directory.__name__}"


class _Stored:
    """The files of themes in the database that rules can name, as one transaction sees them."""

    @classmethod
    def current(cls) -> _Stored:
        """The files as they are now. Each page asks for them, so they are read after a change only."""
        root = queryUtility(IResourceDirectory, name="persistent")
        if root is None or THEME_RESOURCE_NAME not in root:
            return cls(None)
        folder = aq_base(root.context._getOb(THEME_RESOURCE_NAME))
        # A volatile attribute is that of one connection, and ends when the folder is loaded again.
        found = getattr(folder, "_v_euryale_stored", None)
        if found is None or not found.still_holds():
            found = folder._v_euryale_stored = cls(folder)
        return found

    def __init__(self, folder: Any):
        #: What changes with the files, and the transactions that have written it: none for what
        #: this transaction has changed itself.
        self.watched: list[tuple[Any, bytes | None]] = []
        self.files: list[tuple[str, Any]] = []
        if folder is not None:
            self.watch(folder)
            for name in folder.objectIds(BTreeFolder2.meta_type):
                self.add(aq_base(folder._getOb(name)), f"/++{THEME_RESOURCE_NAME}++{name}")
        digest = sha256()
        for path, data in self.contents():
            digest.update(f"{path}\0{len(data)}\0".encode())
            digest.update(data)
        #: The same for the same files, in each process.
        self.digest = digest.hexdigest()

    def add(self, folder: Any, path: str) -> None:
        self.watch(folder)
        folders = set(folder.objectIds(BTreeFolder2.meta_type))
        for name in folders:
            self.add(aq_base(folder._getOb(name)), f"{path}/{name}")
        for name in folder.objectIds():
            # Other files are not even loaded.
            if name not in folders and name.lower().endswith(TEXTS):
                file = aq_base(folder._getOb(name))
                self.remember(file)
                self.files.append((f"{path}/{name}", file))

    def watch(self, folder: Any) -> None:
        """Notice what is added to a folder, and what is removed from it."""
        self.remember(folder)
        # Each addition and each removal writes the number of its items.
        self.remember(folder._count)

    def remember(self, item: Any) -> None:
        item._p_activate()
        is_own = item._p_changed or item._p_jar is None
        self.watched.append((item, None if is_own else item._p_serial))

    def still_holds(self) -> bool:
        """Whether nothing has changed. Folders are asked before what is in them."""
        for item, serial in self.watched:
            # Another transaction's change makes it a ghost, which is loaded again here.
            item._p_activate()
            if item._p_changed or item._p_serial != serial:
                return False
        return True

    def contents(self) -> Iterator[tuple[str, bytes]]:
        for path, file in self.files:
            data = getattr(file, "data", None)
            if data is not None:
                yield path, data if isinstance(data, bytes) else bytes(data)

    def texts(self) -> Iterator[tuple[str, str]]:
        for path, data in self.contents():
            try:
                yield path, data.decode()
            except UnicodeDecodeError:
                log.warning("%s is not UTF-8, and cannot be a part of a theme", path)
