"""An unmodified Plone site under runwsgi, with the server in its ini file and nothing else."""

import http.client
import http.cookiejar
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import (
    APPS,
    PATIENCE,
    ROLLS,
    Answer,
    Served,
    children,
    free_ports,
    quiet,
    until,
    use_factory,
)
from proxies import OFFLOADED, PROXIES, ask, proxy  # noqa: F401, a fixture

pytestmark = pytest.mark.plone

ZOPE_CONF = """
%define INSTANCE {folder}
instancehome $INSTANCE
default-zpublisher-encoding utf-8
<zodb_db main>
   cache-size 30000
   pool-size 50
   <blobstorage>
     blob-dir $INSTANCE/var/blobstorage
     <filestorage>
       path $INSTANCE/var/Data.fs
     </filestorage>
   </blobstorage>
   mount-point /
</zodb_db>
"""

#: A client of the server of ZEO_CONF, in place of the database of ZOPE_CONF.
ZEO_CLIENT = """
%define INSTANCE {folder}
instancehome $INSTANCE
default-zpublisher-encoding utf-8
<zodb_db main>
   cache-size 30000
   pool-size 50
   <zeoclient>
     server $INSTANCE/var/zeo.socket
     blob-dir $INSTANCE/var/blobstorage
     shared-blob-dir true
   </zeoclient>
   mount-point /
</zodb_db>
"""

ZEO_CONF = """
%define INSTANCE {folder}
<zeo>
  address $INSTANCE/var/zeo.socket
</zeo>
<filestorage 1>
  path $INSTANCE/var/Data.fs
  blob-dir $INSTANCE/var/blobstorage
</filestorage>
"""


def program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


@pytest.fixture(scope="module")
def instance(tmp_path_factory) -> Path:
    """A site, made once; the configuration is that of mkwsgiinstance but for the server."""
    folder = tmp_path_factory.mktemp("plone") / "instance"
    subprocess.run([program("mkwsgiinstance"), "-d", folder, "-u", "admin:admin"], check=True)
    (folder / "var" / "blobstorage").mkdir(exist_ok=True)
    (folder / "etc" / "zope.conf").write_text(ZOPE_CONF.format(folder=folder))
    ini = folder / "etc" / "zope.ini"
    text = ini.read_text().replace("egg:waitress#main", "egg:euryale#main")
    text = text.replace("port = 8080", "port = 0\nthreads = 2\nadmin = 127.0.0.1:ADMIN")
    ini.write_text(re.sub(r"    translogger\n", "", text))
    conf = folder / "etc" / "zope.conf"
    run_in_zope(conf, "make_site.py")
    return folder


def run_in_zope(conf: Path, script: str) -> None:
    done = subprocess.run(
        [program("zconsole"), "run", conf, APPS / script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"{script}:\n{done.stdout[-4000:]}"


def running_ini(instance: Path) -> tuple[Path, int]:
    """The configuration of a server, and the port of its operators."""
    (admin,) = free_ports(1)
    ini = instance / "etc" / "running.ini"
    text = (instance / "etc" / "zope.ini").read_text()
    ini.write_text(text.replace("ADMIN", str(admin)))
    return ini, admin


@pytest.fixture
def plone(instance, runwsgi) -> Served:
    ini, admin = running_ini(instance)
    server = runwsgi(ini, folder=instance)
    server.admin = admin
    server.started()
    # The first page compiles templates.
    assert server.ask("/Plone/page").status == 200
    return server


@pytest.fixture
def zeo(instance) -> Iterator[Path]:
    """A ZEO server with the instance's database, and the ini file of its clients.

    Only one process can open the files of a database.
    """
    etc = instance / "etc"
    (etc / "zeo.conf").write_text(ZEO_CONF.format(folder=instance))
    (etc / "client.conf").write_text(ZEO_CLIENT.format(folder=instance))
    ini = etc / "client.ini"
    ini.write_text((etc / "zope.ini").read_text().replace("zope.conf", "client.conf"))
    log = (instance / "var" / "zeo.log").open("wb")
    server = subprocess.Popen(
        [program("runzeo"), "-C", etc / "zeo.conf"], stdout=log, stderr=subprocess.STDOUT
    )
    try:
        until((instance / "var" / "zeo.socket").exists, "ZEO listens")
        yield ini
    finally:
        server.terminate()
        server.wait(PATIENCE)
        log.close()


def median_of_page(server: Served, count: int = 11) -> float:
    times = []
    for _ in range(count):
        began = time.perf_counter()
        assert server.ask("/Plone/page").status == 200
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def test_the_front_page_and_login(plone):
    front = plone.ask("/Plone")
    assert front.status == 200 and "<title>Stheno" in front.text
    jar = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    base = f"http://127.0.0.1:{plone.port}/Plone"
    form = {"__ac_name": "admin", "__ac_password": "admin", "buttons.login": "Log in"}
    answer = browser.open(f"{base}/login", urllib.parse.urlencode(form).encode())
    assert answer.status == 200
    assert "__ac" in {cookie.name for cookie in jar}
    panel = browser.open(f"{base}/@@overview-controlpanel").read().decode()
    assert "Site Setup" in panel
    assert plone.stop() == 0


def test_the_add_on_is_found_without_zcml(instance, runwsgi):
    ini, admin = running_ini(instance)
    use_factory(ini, "zopes:factory")
    server = runwsgi(ini, folder=instance)
    server.admin = admin
    server.started()
    assert server.ask("/@@together").text == "[0, 1, 2]"
    attempts = server.metric("euryale_attempts_total")
    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda _: server.ask("/@@count", "POST"), range(40)))
    assert {answer.status for answer in answers} == {200}
    assert int(server.ask("/@@written").text) == 40
    assert server.metric("euryale_attempts_total") - attempts > 41, "there were conflicts"
    quiet(server)
    assert server.stop() == 0


def test_a_roll_of_plone_under_load_loses_nothing(euryale, zeo):
    """No request fails, no byte of a file is missing, and each write is there exactly once."""
    use_factory(zeo, "zopes:factory")
    server = euryale(str(zeo), "--processes=2", "--threads=2", "--drain=60s")
    data = random.Random(7).randbytes(100 << 20)
    written = int(server.ask("/@@written").text)
    done = {"page": 0, "file": 0, "write": 0}
    is_over = threading.Event()

    def keep_asking(kind: str, keeps: bool) -> None:
        """Ask again and again, and repeat nothing."""
        fields = {} if keeps else {"Connection": "close"}
        peer = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        while not is_over.is_set():
            if kind == "page":
                peer.request("GET", "/Plone/page", headers=fields)
            elif kind == "write":
                peer.request("POST", "/@@count", headers=fields)
            else:
                first = random.randrange(len(data) - 5_000_000)
                part = f"bytes={first}-{first + 4_999_999}"
                path = "/Plone/big/@@download/file"
                peer.request("GET", path, headers={"Range": part, **fields})
            answer = peer.getresponse()
            body = answer.read()
            assert answer.status == (206 if kind == "file" else 200), body[:2000]
            if kind == "page":
                assert b"</html>" in body
            elif kind == "file":
                assert body == data[first : first + 5_000_000]
            done[kind] += 1
        peer.close()

    # A single client writes, so that there are no conflicts between processes.
    clients = [("page", True), ("page", False), ("file", True), ("file", False), ("write", True)]
    with ThreadPoolExecutor(len(clients)) as threads:
        asking = [threads.submit(keep_asking, *client) for client in clients]
        try:
            for roll in range(1, ROLLS + 1):
                begin = dict(done)
                until(lambda: all(done[kind] > begin[kind] + 5 for kind in done), "all ask")
                old = children(server)
                server.send(signal.SIGHUP)
                until(lambda: server.log.count("have been replaced") == roll, "it rolls", 600)
                assert children(server).isdisjoint(old)
            begin = dict(done)
            until(lambda: all(done[kind] > begin[kind] + 5 for kind in done), "all are answered")
        finally:
            is_over.set()
        for one in asking:
            one.result()
    print(f"{ROLLS} rolls: {done}")
    assert int(server.ask("/@@written").text) == written + done["write"]
    quiet(server)
    assert server.stop() == 0


def test_blobs_leave_by_sendfile_whole_and_in_ranges(plone):
    data = random.Random(7).randbytes(100 << 20)
    path = "/Plone/big/@@download/file"
    before = plone.bytes_read()
    assert plone.ask(path).body == data
    # Once, by sendfile: a copy of it would have been read as well.
    assert plone.bytes_read() - before < 1.5 * len(data)
    sent = 'euryale_blob_bytes_total{path="sendfile"}'
    until(lambda: plone.metric(sent) == len(data), "it was counted")
    part = plone.ask(path, headers={"Range": "bytes=1000000-5000000"})
    assert (part.status, part.body) == (206, data[1_000_000:5_000_001])
    assert part.headers["Content-Range"] == f"bytes 1000000-5000000/{len(data)}"
    until(lambda: plone.metric(sent) == len(data) + 4_000_001, "the part was counted, too")


@pytest.mark.parametrize("name", ["nginx", "apache2", "caddy"])
def test_proxies_send_files_and_scaled_pictures_but_not_plones_own_parts(
    instance, runwsgi, proxy, name
):
    ini, admin = running_ini(instance)
    blobs = instance / "var" / "blobstorage"
    prefix = PROXIES[name][2]
    settings = f"trusted_proxy = 127.0.0.1\noffload = {prefix}={blobs}\nthreads = 2"
    ini.write_text(ini.read_text().replace("threads = 2", settings))
    plone = runwsgi(ini, folder=instance)
    plone.admin = admin
    plone.started()
    port = proxy(name, plone, blobs)
    data = random.Random(7).randbytes(100 << 20)
    path = "/Plone/big/@@download/file"
    status, headers, body = ask(port, path)
    assert (status, body == data) == (200, True)
    assert headers["content-disposition"] == "attachment; filename*=UTF-8\'\'big.bin"
    assert ask(port, path, method="HEAD")[1]["content-length"] == str(len(data))
    assert plone.metric(OFFLOADED) >= 1
    assert plone.metric("euryale_blob_bytes_total") == 0, "no byte of it left here"
    # Plone answers ranges itself, and we send the part.
    status, headers, body = ask(port, path, Range="bytes=1000000-5000000")
    assert (status, body == data[1_000_000:5_000_001]) == (206, True)
    assert headers["content-range"] == f"bytes 1000000-5000000/{len(data)}"
    before = plone.metric(OFFLOADED)
    for width in ["preview", "large"]:
        # The first request makes the scale, and commits it.
        first = ask(port, f"/Plone/picture/@@images/image/{width}")
        assert first[0] == 200 and first[1]["content-type"].startswith("image/")
        again = ask(port, f"/Plone/picture/@@images/image/{width}")
        assert again[2] == first[2]
        direct = plone.ask(f"/Plone/picture/@@images/image/{width}")
        assert direct.body == first[2]
    assert plone.metric(OFFLOADED) >= before + 2
    # No client decides who sends a file, and none gets an order of ours.
    forged = {"X_Sendfile_Type": "X-Accel-Redirect", "X_Accel_Mapping": "/=/@@blobs"}
    status, headers, body = ask(port, path, **forged)
    assert (status, body == data) == (200, True)
    assert not [name for name in headers if name.lower().startswith(("x-accel", "x-sendfile"))]
    assert plone.stop() == 0


@pytest.fixture(scope="module")
def pages(instance) -> Path:
    """The instance with pages of each kind."""
    run_in_zope(instance / "etc" / "zope.conf", "theme_pages.py")
    return instance


def test_pages_for_the_comparison_of_themes(pages, plone):
    """Each kind of page, as Plone makes it before its theme, in the file THEME_PAGES.

    ``cargo xtask python plone`` has it themed by Diazo and by our engine afterwards. Plone themes
    no pages for the host 127.0.0.1, unless it is configured to.
    """
    base = f"http://127.0.0.1:{plone.port}"
    cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    browser = urllib.request.build_opener(cookies)
    form = {"__ac_name": "admin", "__ac_password": "admin", "buttons.login": "Log in"}
    anonymous = {
        "front page": "/Plone",
        "document": "/Plone/document",
        "folder": "/Plone/folder",
        "search": "/Plone/@@search?SearchableText=part",
        "login": "/Plone/login",
        "news item": "/Plone/folder/news",
        **{f"{count} footer portlets": f"/Plone/footers-{count}" for count in range(6)},
        "error page": "/Plone/nothing-here",
        "ajax_load": "/Plone/folder?ajax_load=1",
    }
    # Others get an error as JSON.
    accept = {"Accept": "text/html"}
    pages = [
        theme_page(name, base + path, plone.ask(path, headers=accept))
        for name, path in anonymous.items()
    ]
    browser.open(f"{base}/Plone/login", urllib.parse.urlencode(form).encode()).read()
    for name, path in {
        "control panel": "/Plone/@@overview-controlpanel",
        "control panel of a schema": "/Plone/@@site-controlpanel",
        "edit form": "/Plone/document/edit",
        "folder contents": "/Plone/folder/folder_contents",
        "document of an editor": "/Plone/document",
    }.items():
        with browser.open(base + path) as response:
            answer = Answer(response.status, response.reason, response.headers, response.read())
            pages.append(theme_page(name, base + path, answer))
    statuses = {page["name"]: page["status"] for page in pages}
    missing = statuses.pop("error page")
    assert missing == 404 and set(statuses.values()) == {200}, statuses
    if "THEME_PAGES" in os.environ:
        Path(os.environ["THEME_PAGES"]).write_text(json.dumps(pages))
    assert plone.stop() == 0


def theme_page(name: str, url: str, answer: Answer) -> dict:
    """A page, and the parameters that Plone gives to rules (``prepareThemeParameters``)."""
    assert answer.text.count("</body>") == 1, f"{name}: {answer.text[:200]}"
    parts = urllib.parse.urlsplit(url)
    base = f"{parts.scheme}://{parts.netloc}"
    given = {
        "url": base + parts.path,
        "base": base,
        "path": parts.path,
        "scheme": parts.scheme,
        "host": parts.netloc,
        "portal_url": f"{base}/Plone",
    }
    if "ajax_load" in parts.query:
        given["ajax_load"] = "1"
    return {"name": name, "status": answer.status, "content": answer.text, "given": given}


def test_a_page_beside_slow_clients(plone):
    """Two threads, 20 downloads at 1 MB/s and 2 uploads at 40 kB/s."""
    alone = median_of_page(plone)
    before = plone.memory()
    base = f"http://127.0.0.1:{plone.port}/Plone"
    curl = ["curl", "-s", "-o", os.devnull]
    slow = [
        subprocess.Popen([*curl, "--limit-rate", "1M", f"{base}/big/@@download/file"])
        for _ in range(20)
    ]
    until(lambda: plone.metric("euryale_blobs_open") == 20, "20 downloads are under way")
    upload = [*curl, "--limit-rate", "40k", "-H", "Expect:", "--data-binary", "@-", f"{base}/page"]
    for _ in range(2):
        process = subprocess.Popen(upload, stdin=subprocess.PIPE)
        process.stdin.write(b"x" * 65_536)
        process.stdin.flush()
        slow.append(process)
    until(lambda: plone.metric("euryale_publishers_running") == 0, "the workers are free")
    try:
        beside = median_of_page(plone)
        grown = plone.memory() - before
        assert plone.metric("euryale_blobs_open") == 20, "they are still under way"
    finally:
        for process in slow:
            process.kill()
            process.wait()
    print(f"a page: {alone * 1e3:.0f} ms alone, {beside * 1e3:.0f} ms beside; RSS +{grown >> 20} MiB")
    assert beside <= 3 * alone
    assert grown <= 10 << 20


#: Plone themes no pages for the host 127.0.0.1, so this one is asked for.
HOST = {"Host": "plone.test", "Accept": "text/html"}


def themed(instance: Path, runwsgi, themes: str, factory: str = "") -> Served:
    """A server whose setting ``themes`` has this value."""
    ini, admin = running_ini(instance)
    ini.write_text(ini.read_text().replace("threads = 2", f"threads = 2\nthemes = {themes}"))
    if factory:
        use_factory(ini, factory)
    server = runwsgi(ini, folder=instance)
    server.admin = admin
    return server.started()


def log_in(server: Served) -> dict[str, str]:
    """The headers of an editor."""
    form = {"__ac_name": "admin", "__ac_password": "admin", "buttons.login": "Log in"}
    headers = {**HOST, "Content-Type": "application/x-www-form-urlencoded"}
    answer = server.ask("/Plone/login", "POST", urllib.parse.urlencode(form), headers)
    cookies = [cookie.split(";")[0] for cookie in answer.headers.get_all("Set-Cookie")]
    return {**HOST, "Cookie": "; ".join(cookies)}


def tree(html: str) -> list:
    """A page's elements, attributes and texts. Each page has tokens of its own.

    As in the comparison with Diazo, it leaves out what libxml2 always changes: the attributes of
    XHTML, a ``Content-Type``, and the quoting of addresses.
    """
    import lxml.html

    found = []
    html = re.sub(r"\b[0-9a-f]{40}\b", "token", html)
    for element in lxml.html.document_fromstring(html).iter():
        attributes = dict(element.attrib)
        if not isinstance(element.tag, str) or attributes.get("http-equiv") == "Content-Type":
            continue
        for name in ("xmlns", "xml:lang"):
            attributes.pop(name, None)
        for name in {"action", "href"} & attributes.keys():
            attributes[name] = urllib.parse.unquote(attributes[name]).strip()
        texts = [" ".join((text or "").split()) for text in (element.text, element.tail)]
        found.append((element.tag, sorted(attributes.items()), texts))
    return found


def all_pages(server: Served) -> dict[str, str]:
    """Each kind of page, for a visitor and for an editor."""
    pages = ["", "/document", "/folder", "/@@search?SearchableText=part", "/folder/news"]
    pages += [f"/footers-{count}" for count in range(6)]
    pages += ["/nothing-here", "/folder?ajax_load=1"]
    # Editing locks the document, which its page shows.
    own = ["/document/edit", "/@@overview-controlpanel", "/@@site-controlpanel"]
    own += ["/folder/folder_contents"]
    editor = log_in(server)
    answers = {path: server.ask(f"/Plone{path}", headers=HOST) for path in [*pages, "/login"]}
    for path in [*own, *pages]:
        answers[f"{path} of an editor"] = server.ask(f"/Plone{path}", headers=editor)
    return {path: answer.text for path, answer in answers.items()}


def test_pages_are_themed_outside_the_worker_as_they_are_by_plone(pages, runwsgi, monkeypatch):
    # The order of TinyMCE's elements in a page is that of a set.
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    server = themed(pages, runwsgi, "off")
    by_plone = all_pages(server)
    assert server.stop() == 0
    server = themed(pages, runwsgi, "on")
    by_us = all_pages(server)
    assert server.metric('euryale_transform_seconds_count{transform="theme"}') == len(by_us)
    unthemed = server.ask("/Plone")
    assert "portal-footer-wrapper" in unthemed.text and "<title>Stheno" in unthemed.text
    assert tree(unthemed.text) != tree(by_us[""]), "127.0.0.1 has no theme"
    quiet(server)
    assert server.stop() == 0
    assert set(by_us) == set(by_plone)
    for name, html in by_plone.items():
        ours, theirs = tree(by_us[name]), tree(html)
        for number, (one, other) in enumerate(zip(ours, theirs)):
            assert one == other, f"{name}: element {number}"
        assert len(ours) == len(theirs), name


def test_a_form_of_a_themed_page_is_accepted_and_one_without_its_token_is_not(pages, runwsgi):
    import lxml.html

    server = themed(pages, runwsgi, "on")
    editor = log_in(server)
    page = lxml.html.document_fromstring(server.ask("/Plone/page/edit", headers=editor).text)
    (script,) = page.cssselect("body > #protect-script")
    assert len(script.get("data-token")) == 40
    (form,) = page.cssselect("form#form")
    fields = dict(form.form_values())
    assert "_authenticator" in fields
    send = {**editor, "Content-Type": "application/x-www-form-urlencoded"}
    for title, fields, is_accepted in [
        ("Refused", {**fields, "_authenticator": "0" * 40}, False),
        ("Accepted", fields, True),
    ]:
        fields = {**fields, "form.widgets.IDublinCore.title": title, "form.buttons.save": "Save"}
        body = urllib.parse.urlencode(fields)
        server.ask("/Plone/page/edit", "POST", body, send)
        themed_page = server.ask("/Plone/page", headers=HOST)
        assert (f"<title>{title}" in themed_page.text) == is_accepted
    assert server.stop() == 0


def test_an_answer_to_head_has_no_length_where_the_page_has_a_theme(pages, runwsgi):
    server = themed(pages, runwsgi, "on")
    assert server.ask("/Plone/page", headers=HOST).headers["Content-Length"]
    # Zope has no answer to HEAD for a folder.
    for path, status in {
        "/Plone": 404,
        "/Plone/page": 200,
        "/Plone/folder/news": 200,
        "/Plone/@@search": 200,
    }.items():
        answer = server.ask(path, "HEAD", headers=HOST)
        assert (answer.status, answer.body) == (status, b""), path
        found = {name.lower() for name in answer.headers} & {"content-length", "etag"}
        assert not found, f"{path}: {answer.headers}"
    # Files have no theme.
    answer = server.ask("/Plone/big/@@download/file", "HEAD", headers=HOST)
    assert answer.headers["Content-Length"] == str(100 << 20)
    assert server.stop() == 0


def test_a_theme_in_the_database_is_compiled_again_when_it_changes(pages, runwsgi):
    server = themed(pages, runwsgi, "on", "stored_theme:factory")
    rules = """<rules xmlns="http://namespaces.plone.org/diazo">
        <theme href="parts/index.html"/>
        <replace theme-children="//main" content-children="//h1"/></rules>"""

    def write(**form):
        url = f"/Plone/@@write-theme?{urllib.parse.urlencode(form)}"
        assert server.ask(url, headers=HOST).text == "written"
        return server.ask("/Plone/document", headers=HOST).text

    html = "<html><body><p>one</p><main></main><img src='a.png'></body></html>"
    page = write(apply="stored", **{"rules.xml": rules, "parts/index.html": html})
    assert "<p>one</p><main>Document &lt;one&gt;</main>" in page
    assert 'src="/Plone/++theme++stored/a.png"' in page
    page = write(apply="stored", **{"parts/index.html": html.replace("one", "two")})
    assert "<p>two</p><main>" in page
    # Pages are sent without a theme that has errors, and the log says so once.
    page = write(apply="stored", **{"rules.xml": "<rules>"})
    assert "<main>Document" not in page and "Document &lt;one&gt;" in page
    server.ask("/Plone/document", headers=HOST)
    assert server.log.count("/++theme++stored/rules.xml:") == 1
    assert "portal-footer" in write(apply="barceloneta")
    assert server.stop() == 0
