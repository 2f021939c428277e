"""Themes of Plone's pages, which the server applies when the worker is free.

plone.app.theming stays enabled and decides as before: whether a page is themed, with which rules,
and with which parameters. This takes the place of its transform if the setting ``themes`` is on.
"""

from __future__ import annotations

import logging
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
        page = self.request.environ.get("euryale.page")
        if page is None or self.debug_theme():
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
    if page is None or request.get("REQUEST_METHOD") != "HEAD":
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
    stored = dict(_stored())
    serials = [(path, file._p_oid, _serial(file)) for path, file in stored.items()]
    key = repr((settings.rules, prefix, settings.doctype, serials))
    parameters = _parameters(request, policy, settings)
    if page.theme(key, parameters):
        return
    page.add_theme(
        key,
        _path_of(settings.rules),
        prefix=prefix,
        doctype=(settings.doctype or "").strip() or None,
        folders=_folders(),
        texts=dict(_texts(stored)),
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


def _stored() -> Iterator[tuple[str, Any]]:
    """The files of themes in the database that rules can name, with their paths."""
    root = queryUtility(IResourceDirectory, name="persistent")
    if root is None or THEME_RESOURCE_NAME not in root:
        return
    themes = root.context._getOb(THEME_RESOURCE_NAME)
    for name in themes.objectIds(BTreeFolder2.meta_type):
        yield from _files(themes._getOb(name), f"/++{THEME_RESOURCE_NAME}++{name}")


def _files(folder: Any, path: str) -> Iterator[tuple[str, Any]]:
    folders = set(folder.objectIds(BTreeFolder2.meta_type))
    for name in folders:
        yield from _files(folder._getOb(name), f"{path}/{name}")
    for name in folder.objectIds():
        # Other files are not even loaded.
        if name not in folders and name.lower().endswith(TEXTS):
            yield f"{path}/{name}", aq_base(folder._getOb(name))


def _serial(file: Any) -> bytes:
    """The transaction that has written the file."""
    file._p_activate()
    return file._p_serial


def _texts(stored: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for path, file in stored.items():
        data = getattr(file, "data", None)
        if data is None:
            continue
        try:
            yield path, (data if isinstance(data, bytes) else bytes(data)).decode()
        except UnicodeDecodeError:
            log.warning("%s is not UTF-8, and cannot be a part of a theme", path)
