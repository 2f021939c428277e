"""Themes, tiles and compression of applications that know nothing of Zope."""

import gzip

import pytest

from conftest import until

RULES = """<rules xmlns="http://namespaces.plone.org/diazo"
    xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <theme href="index.html"/>
  <replace theme-children="//main" content-children="//body"/>
  <replace theme-children="//footer"><xsl:value-of select="$url"/></replace>
</rules>"""

THEME = """<!DOCTYPE html><html><head><link rel="stylesheet" href="style.css"></head>
<body><h1>{name}</h1><main></main><footer></footer></body></html>"""

GZIP = {"Accept-Encoding": "gzip"}


@pytest.fixture
def theme(tmp_path):
    folder = tmp_path / "theme"
    folder.mkdir()
    (folder / "rules.xml").write_text(RULES)
    (folder / "index.html").write_text(THEME.format(name="one"))
    (folder / "style.css").write_text("h1 { color: teal }")
    return folder


def test_all_pages_have_the_theme_of_a_folder(euryale, theme):
    server = euryale("composed:app", "--theme", f"/theme={theme}")
    for path, status, text in [("/unmarked", 200, "Text"), ("/none", 404, "nothing here")]:
        page = server.ask(path)
        assert page.status == status and text in page.text
        assert "<h1>one</h1><main>" in page.text
        assert 'href="/theme/style.css"' in page.text
        assert f"<footer>http://127.0.0.1:{server.port}{path}</footer>" in page.text
        assert page.headers["ETag"] is None
    style = server.ask("/theme/style.css")
    assert (style.status, style.text) == (200, "h1 { color: teal }")
    assert "<h1>" not in server.ask("/plain").text, "X-Theme-Disabled"
    assert server.ask("/data").headers["ETag"] == '"data"'
    (theme / "index.html").write_text(THEME.format(name="another"))
    until(lambda: "<h1>another</h1>" in server.ask("/unmarked").text, "the theme is read again")


def test_a_theme_has_the_address_that_a_trusted_proxy_reports(euryale, theme):
    server = euryale("composed:app", "--theme", f"/theme={theme}", "--trusted-proxy=127.0.0.1",
                     "--trusted-proxy-headers=x-forwarded-for x-forwarded-proto x-forwarded-host")
    fields = {
        "X-Forwarded-For": "192.0.2.7",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "example.org",
    }
    page = server.ask("/unmarked", headers=fields)
    assert "<footer>https://example.org/unmarked</footer>" in page.text


def test_tiles_are_put_into_pages_that_ask_for_it(euryale):
    server = euryale("composed:app", "--tiles", "/tiles")
    page = server.ask("/page")
    assert "<nav>Menu</nav>" in page.text and "<title>Page</title>" in page.text
    assert "<b>News 1 False</b>" in page.text
    assert "secret" not in page.text and page.text.count("tile-error") == 2
    assert page.headers["ETag"] is None and page.headers["Last-Modified"] is None
    assert 'data-tile="./tiles/news?n=1"' in server.ask("/unmarked").text
    calls = [call for call in server.ask("/calls").text.split("], [") if "tiles" in call]
    assert len(calls) == 2 and all("true" in call for call in calls)


def test_tiles_need_the_setting(euryale):
    server = euryale("composed:app")
    assert server.ask("/page").status == 500
    assert "KeyError: 'euryale.page'" in server.log


@pytest.mark.parametrize(
    ("setting", "path"), [("--tiles=/tiles", "/page"), ("--theme=/theme={theme}", "/unmarked")]
)
def test_head_of_a_page_that_is_transformed_has_no_length_and_no_tag(euryale, theme, setting, path):
    server = euryale("composed:app", setting.format(theme=theme))
    answer = server.ask(path, "HEAD")
    assert answer.status == 200 and answer.body == b""
    assert not {name.lower() for name in answer.headers} & {"content-length", "etag"}
    other = server.ask("/data", "HEAD")
    assert other.headers["Content-Length"] and other.headers["ETag"] == '"data"'


def test_texts_are_compressed_for_clients_that_accept_it(euryale):
    server = euryale("composed:app", "--compress", "--tiles=/tiles")
    page = server.ask("/unmarked", headers=GZIP)
    assert page.headers["Content-Encoding"] == "gzip" and page.headers["ETag"] == 'W/"page"'
    assert "accept-encoding" in page.headers["Vary"].lower()
    assert gzip.decompress(page.body) == server.ask("/unmarked").body
    assert server.ask("/untagged", headers=GZIP).headers["Content-Encoding"] == "gzip"
    zstd = server.ask("/unmarked", headers={"Accept-Encoding": "gzip, br, zstd"})
    assert zstd.headers["Content-Encoding"] == "zstd"
    plain = server.ask("/unmarked")
    assert (plain.headers["Content-Encoding"], plain.headers["ETag"]) == (None, '"page"')
    composed = server.ask("/page", headers=GZIP)
    assert b"<b>News 1 False</b>" in gzip.decompress(composed.body)
    # A tag of data may come back in If-Match, one of a file names its ranges, and a stream would
    # wait in the encoder.
    for path, tag in [
        ("/data", '"data"'),
        ("/wsgi-file", '"file"'),
        ("/stream", None),
        ("/stream?announced", None),
    ]:
        answer = server.ask(path, headers=GZIP)
        assert (answer.headers["Content-Encoding"], answer.headers["ETag"]) == (None, tag), path


def test_head_and_304_fit_the_compressed_page(euryale):
    server = euryale("composed:app", "--compress")
    head = server.ask("/unmarked", "HEAD", headers=GZIP)
    assert head.headers["Content-Length"] is None and head.headers["ETag"] == 'W/"page"'
    head = server.ask("/unmarked", "HEAD", headers={"Accept-Encoding": "gzip;q=0"})
    assert head.headers["Content-Length"] and head.headers["ETag"] == '"page"'
    # The application answers 304 itself.
    server = euryale("unchanged:app", "--compress")
    for tag in ['W/"page"', '"page"']:
        answer = server.ask("/", headers={**GZIP, "If-None-Match": tag})
        assert (answer.status, answer.headers["ETag"]) == (304, tag)


def test_a_switch_without_a_value_may_precede_the_application():
    from euryale.__main__ import parser, settings, with_values

    for arguments, values in [
        (["--compress", "m:app"], {"compress": "on"}),
        (["--debug", "off", "m:app", "--themes"], {"debug": "off", "themes": "on"}),
        (["m:app", "--reload=off"], {"reload": "off"}),
    ]:
        options = parser().parse_args(with_values(arguments))
        assert (options.app, settings(options, {})) == ("m:app", values)


def test_settings_of_transforms_that_cannot_be_used_end_the_start(euryale, tmp_path, theme):
    for arguments, said in [
        (["--theme", f"/theme={tmp_path / 'none'}"], "theme"),
        (["--theme", f"/theme={tmp_path}"], "rules.xml does not exist"),
        (["--theme", f"/theme={theme}", "--themes"], "exclude each other"),
        (["--tiles", "tiles"], "tiles"),
    ]:
        server = euryale("composed:app", *arguments, ready=False)
        assert server.wait() == 1
        assert server.log.startswith("euryale: ") and said in server.log
        assert server.log.count("\n") == 1
