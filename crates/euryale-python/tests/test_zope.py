"""The add-on for Zope: the calls of collective.futures, conflicts, and uploads into blobs."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import Served, until, use_factory, zope_instance

ZCML = '<include xmlns="http://namespaces.zope.org/zope" package="euryale.zope" />'


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """One instance for all tests, because it takes seconds to start."""
    folder = tmp_path_factory.mktemp("zope") / "instance"
    ini = zope_instance(folder)
    use_factory(ini, "zopes:factory")
    conf = folder / "etc" / "zope.conf"
    blobs = "   <filestorage>\n     blob-dir $INSTANCE/var/blobs\n"
    conf.write_text(conf.read_text().replace("   <filestorage>\n", blobs))
    includes = folder / "etc" / "package-includes"
    includes.mkdir(exist_ok=True)
    (includes / "euryale-configure.zcml").write_text(ZCML)
    program = Path(sys.executable).with_name("runwsgi")
    # On the file system of the blobs.
    environment = {"TMPDIR": str(folder / "var")}
    server = Served([str(program), str(ini)], folder, environment).started()
    yield server
    assert server.stop() == 0


def test_pass_with_placeholders_is_thrown_away(site):
    written = int(site.ask("/@@written").text)
    with ThreadPoolExecutor(4) as clients:
        asked = [clients.submit(site.ask, "/@@page?open") for _ in range(4)]

        def all_were_called():
            return site.ask("/@@passes").text.split("\n").count("page") == 4

        until(all_were_called, "two workers have called the view four times")
        site.open("open")
        for answer in [answer.result() for answer in asked]:
            lines = answer.text.split("\n")
            assert len(lines) == 2
            assert all(line.startswith("open in euryale-lane-") for line in lines)
            assert len(answer.headers.get_all("X-Pass")) == 1
    assert int(site.ask("/@@written").text) == written + 4


def test_promises_of_a_view_run_at_the_same_time(site):
    assert site.ask("/@@together").text == "[0, 1, 2]"


def test_calls_have_the_errors_of_collective_futures(site):
    assert site.ask("/@@errors").text == (
        "FutureNotSubmittedError 'default' FutureAlreadyResolvedError '7' '7' "
        "FutureAlreadyResolvedError ValueError False"
    )
    assert site.ask("/@@passes").text.split("\n")[-2] == (
        "FutureNotSubmittedError 'default' True FutureNotResolvedError FutureNotResolvedError "
        "True FutureNotResolvedError False"
    )


@pytest.mark.parametrize(
    ("view", "text"),
    [
        ("placeholder", "placeholder"),
        ("raises", "value 7"),
        ("mappings", "ValueError"),
        ("reset", "2"),
        ("process", "True True"),
    ],
)
def test_view_gets(site, view, text):
    assert site.ask(f"/@@{view}").text == text


def test_commit_of_the_view_itself_is_kept(site):
    written = int(site.ask("/@@written").text)
    assert site.ask("/@@commits").text == "7"
    assert int(site.ask("/@@written").text) == written + 1


def test_conflicts_are_published_again_and_counted_once(site):
    written = int(site.ask("/@@written").text)
    with ThreadPoolExecutor(4) as clients:
        statuses = list(clients.map(lambda _: site.ask("/@@count", "POST").status, range(40)))
    assert set(statuses) == {200}
    assert int(site.ask("/@@written").text) == written + len(statuses)


def test_paths_for_a_virtual_host_reach_zope(site):
    base = "/VirtualHostBase/https/example.org:443/VirtualHostRoot"
    assert site.ask(f"{base}/@@url").text == "https://example.org"
    assert site.ask(f"{base}/_vh_app/@@url").text == "https://example.org/app"


def test_unbound_stream_iterator_is_sent_and_closed_once(site):
    assert site.ask("/@@unbound").text == "one two"
    assert site.ask("/@@passes").text.split("\n").count("lines closed") == 1


def test_upload_becomes_a_blob(site):
    body = b"x" * (8 << 20)
    headers = {"Content-Type": "application/octet-stream"}
    uploaded, received = site.ask("/@@upload", "POST", body, headers).text.split()
    assert uploaded == "uploaded"
    size, kept = site.ask("/@@uploaded").text.split()
    assert int(size) == len(body)
    assert kept == received, "it is the same file"
