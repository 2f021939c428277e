"""What Diazo makes of pages in the default theme of Plone 6: a list as JSON.

    plone.py               pages with Plone's structure, which are made here
    plone.py PAGES.json    pages that a Plone has made: name, content, and the parameters that it gives

The theme is the installed one, or it is fetched from PyPI, and kept in the cache.
"""

import importlib.util
import io
import json
import os
import pathlib
import subprocess
import sys
import zipfile

import diazo.compiler
from diazo.utils import quote_param
from lxml import etree

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "euryale-bench/themes"
KNOWN = {"ajax_load": "", "portal_url": "http://localhost/Plone"}


def theme():
    if importlib.util.find_spec("plonetheme"):
        for installed in importlib.util.find_spec("plonetheme").submodule_search_locations:
            folder = pathlib.Path(installed) / "barceloneta/theme"
            if folder.exists():
                return folder
    folder = CACHE / "plonetheme/barceloneta/theme"
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(CACHE),
                        "plonetheme.barceloneta==4.1.1"], check=True, stdout=subprocess.DEVNULL)
        for wheel in CACHE.glob("plonetheme*barceloneta*.whl"):
            zipfile.ZipFile(wheel).extractall(CACHE)
    return folder


def portlet(kind, number):
    inside = {
        "card": f'<div class="card portletStatic"><div class="card-header">Head <b>{number}</b></div>'
                f'<div class="card-body"><p>Body {number} &amp; more</p></div>'
                '<div class="card-footer"><a href="/more">More</a></div></div>',
        "titleless": f'<div class="card"><div class="card-header titleless">T</div><div class="card-body">B{number}</div></div>',
        "collection": '<div class="card portletCollection"><div class="card-header">News</div><ul>'
                      f'<li class="portletItem"><a href="/n{number}" class="tile" title="N">Item {number}</a>'
                      '<span class="portletItemDetails">1 May</span></li>'
                      '<li class="portletItem"><a href="/o">Other</a></li></ul></div>',
        "plain": f'<section><p>plain {number}</p> tail</section>',
        "site": '<div class="card portletActions"><ul class="actions-site_actions"><li><a href="/map">Map</a></li></ul></div>',
    }[kind]
    return f'<div class="portletWrapper" id="portletwrapper-{number}">{inside}</div>'


def footer(kinds, signature=True, colophon=True):
    parts = "".join(portlet(kind, number) for number, kind in enumerate(kinds))
    if signature:
        parts += ('<div class="portletWrapper"><div id="portal-footer-signature" class="card"><div class="card-body">'
                  '<p>The <abbr title="Plone">Plone</abbr> site</p></div></div></div>')
    if colophon:
        parts += ('<div class="portletWrapper"><div id="portal-colophon"><div class="card-body"><a href="https://plone.org">'
                  'Powered</a></div></div></div>')
    return ('<footer id="portal-footer-wrapper"><div class="row"><div id="portletmanager-plone-footerportlets">'
            f'{parts}</div></div><script>var a = "<b>&amp;</b>";</script></footer>')


def page(body, template="document_view", section="x", user="anonymous", extra="", footers=("card",), one="", two="",
         status="", wrapper=True, head="", **more):
    bar = '<div id="edit-bar"><ul><li>Edit</li></ul></div>' if user == "authenticated" else ""
    columns = "".join(f'<aside id="portal-column-{name}">{text}</aside>' for name, text in (("one", one), ("two", two)) if text)
    inside = (f'<header id="portal-top"><div id="portal-header"><div id="portal-logo"><a href="/" title="Home"><img '
              'src="/logo.png" alt="Plone site"></a></div><div id="portal-searchbox"><form action="/search"><input '
              'name="SearchableText"></form></div><div id="portal-anontools"><a href="/login">Log in</a></div></div>'
              '<button class="navbar-toggler" aria-label="Toggle navigation"></button>'
              '<div id="portal-mainnavigation"><ul id="portal-globalnav"><li class="home"><a href="/">Home</a></li>'
              '<li class="news"><a href="/news">News</a></li></ul></div></header>'
              f'<div id="viewlet-above-content"><nav><ol><li>Home</li></ol></nav></div>'
              f'<aside id="global_statusmessage">{status}</aside>'
              f'<main id="portal-column-content"><article id="content">{body}</article></main>{columns}'
              f'{footer(footers, **more)}')
    inside = f'<section id="visual-portal-wrapper">{inside}</section>' if wrapper else body
    return ('<!DOCTYPE html><html lang="en" xml:lang="en" class="plone"><head><meta charset="utf-8"><title>Page &mdash; '
            f'Site</title><base href="http://localhost/Plone/"><meta name="generator" content="Plone"><link '
            f'rel="stylesheet" href="/a.css"><link rel="apple-touch-icon" href="/i.png"><style>p > a {{}}</style>'
            f'<script src="/a.js"></script>{head}</head><body id="visual" class="template-{template} section-{section} '
            f'userrole-{user} {extra}" dir="ltr">{bar}{inside}</body></html>')


PAGES = {
    "front page": page("<h1>Welcome</h1><p>Text</p>", section="front-page", footers=()),
    "document": page("<h1>Doc</h1><p>A<br>B</p><table><tr><td>1</td></tr></table>", footers=("card",)),
    "folder": page("<h1>Folder</h1><ul><li>a</li></ul>", template="listing_view", footers=("card", "plain"), one="<nav>N</nav>"),
    "search": page("<form><input name='q'></form>", template="search", footers=("collection", "card", "titleless")),
    "login": page("<form id='login'><input type='password'></form>", template="login", footers=("card",) * 4),
    "news item": page("<h1>News</h1><figure><img src='a.png' alt=''><figcaption>C</figcaption></figure>",
                      template="newsitem_view", footers=("card", "site", "plain", "collection", "titleless"), two="<p>P</p>"),
    "error page": page("<h1>We are sorry</h1>", template="error", footers=(), signature=False, colophon=False,
                       status="<div class='alert'>Error</div>"),
    "control panel": page("<h1>Setup</h1><fieldset><legend>L</legend></fieldset>", template="overview-controlpanel",
                          user="authenticated", footers=("site",), one="<p>1</p>", two="<p>2</p>"),
    "viewlets": page("<h1>M</h1>", template="manage-viewlets", extra="template-manage-viewlets"),
    "no wrapper": page("<p>bare</p>", wrapper=False),
    "ajax_load": page("<h1>Part</h1>", extra="ajax_load"),
}


def own_pages():
    for name, content in PAGES.items():
        given = {"path": "/" + name.replace(" ", "-")}
        if name == "ajax_load":
            given["ajax_load"] = "1"
        yield {"name": name, "content": content, "given": given}


def main(pages):
    folder = theme()
    parser = etree.HTMLParser(encoding="utf-8")
    parameters = dict.fromkeys(("url", "base", "path", "scheme", "host"), "") | KNOWN
    compiled = etree.XSLT(diazo.compiler.compile_theme(rules=str(folder / "rules.xml"), parser=parser, xsl_params=parameters,
                                                       absolute_prefix="/++theme++barceloneta"))
    cases = []
    for page in pages:
        tree = etree.parse(io.BytesIO(page["content"].encode()), parser=etree.HTMLParser(encoding="utf-8"))
        result = compiled(tree, **{key: quote_param(value) for key, value in page["given"].items()})
        html = etree.tostring(result, method="html", encoding="unicode")
        cases.append({**page, "folder": str(folder), "prefix": "/++theme++barceloneta", "known": KNOWN, "html": html})
    json.dump(cases, sys.stdout)


main(json.loads(pathlib.Path(sys.argv[1]).read_text()) if len(sys.argv) > 1 else own_pages())
