"""The add-on for Zope: the calls of collective.futures, conflicts, and uploads into blobs."""

import sys
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import Served, free_ports, quiet, until, use_factory, zope_instance

STREAMS = 'euryale_lane_running{lane="python-streams"}'

ZCML = '<include xmlns="http://namespaces.zope.org/zope" package="euryale.zope" />'


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """One instance for all tests, because it takes seconds to start."""
    folder = tmp_path_factory.mktemp("zope") / "instance"
    ini = zope_instance(folder)
    use_factory(ini, "zopes:factory")
    (admin,) = free_ports(1)
    text = ini.read_text()
    ini.write_text(text.replace("port = 0\n", f"port = 0\nadmin = 127.0.0.1:{admin}\n"))
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
    server.admin = admin
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


def closed(site):
    """Where iterators were closed."""
    lines = site.ask("/@@passes").text.split("\n")
    return [line.split()[-1] for line in lines if line.startswith("lines closed")]


def test_unbound_stream_iterators_hold_no_worker(site):
    before = len(closed(site))
    with ThreadPoolExecutor(4) as clients:
        asked = [clients.submit(site.ask, "/@@unbound?blocks") for _ in range(4)]
        until(lambda: site.metric(STREAMS) == 4, "more of them are sent than there are workers")
        assert site.ask("/@@connections").text == "0"
        assert len(closed(site)) == before
        site.open("blocks")
        assert {answer.result().text for answer in asked} == {"one two"}
    until(lambda: len(closed(site)) == before + 4, "each is closed once")
    assert all(name.startswith("euryale-stream-") for name in closed(site)[before:])


@pytest.mark.parametrize("view", ["counted", "readable"])
def test_other_iterators_are_read_in_the_same_lane(site, view):
    before = len(closed(site))
    answer = site.ask(f"/@@{view}")
    assert answer.text == "one two"
    assert answer.headers["Content-Length"] == ("7" if view == "counted" else None)
    (where,) = until(lambda: closed(site)[before:], "it is closed")
    assert where.startswith("euryale-stream-")


def test_file_of_a_view_is_sent_as_a_file(site):
    streams = site.metric("euryale_early_answers_total")
    answer = site.ask("/@@file", headers={"Range": "bytes=3-6"})
    assert (answer.status, answer.text) == (206, "Zope")
    assert site.metric("euryale_early_answers_total") == streams


def test_export_has_its_own_connection_and_commits_nothing(site):
    written = int(site.ask("/@@written").text)
    path = "/VirtualHostBase/https/example.org:443/VirtualHostRoot/_vh_app/@@export?name=rows"
    login = {"Authorization": "Basic " + b64encode(b"admin:admin").decode()}
    with ThreadPoolExecutor(1) as clients:
        asked = clients.submit(site.ask, path, headers=login)
        until(lambda: site.metric(STREAMS) == 1, "it runs")
        until(lambda: site.ask("/@@connections").text == "1", "it has a connection")
        # It does not see this: its connection has been opened before.
        assert site.ask("/@@count", "POST").status == 200
        site.open("rows")
        where, url, user, *rest = asked.result().text.split("\n")
    assert where.startswith("euryale-stream-")
    assert (url, user) == ("https://example.org/app", "admin")
    assert rest == ["True {'name': 'rows'} True", str(written + 1)]
    until(lambda: site.ask("/@@connections").text == "0", "it is closed")
    assert int(site.ask("/@@written").text) == written + 1
    quiet(site)


def test_upload_becomes_a_blob(site):
    body = b"x" * (8 << 20)
    headers = {"Content-Type": "application/octet-stream"}
    uploaded, received = site.ask("/@@upload", "POST", body, headers).text.split()
    assert uploaded == "uploaded"
    size, kept = site.ask("/@@uploaded").text.split()
    assert int(size) == len(body)
    assert kept == received, "it is the same file"
