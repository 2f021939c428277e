"""Unmodified applications of frameworks, and Zope, through the ways in that people use."""

import http.client
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import APPS, PATIENCE, Served, quiet, until

ALL = ["flask", "django", "pyramid"]
SOURCE = (APPS / "frameworks.py").read_bytes()


@pytest.fixture(params=[*ALL, *(f"checked_{name}" for name in ALL)])
def framework(request, euryale) -> Served:
    """Each of them bare, and with ``wsgiref.validate`` around it."""
    server = euryale(f"frameworks:{request.param}_app", "--factory", "--threads", "2")
    server.name = request.param.removeprefix("checked_").capitalize()
    server.is_checked = request.param.startswith("checked_")
    yield server
    assert "AssertionError" not in server.log, "wsgiref has no complaint"


def test_a_page_is_made_in_a_named_thread(framework):
    answer = framework.ask("/")
    assert answer.status == 200
    assert re.fullmatch(rf"hello from {framework.name} in euryale-[01]", answer.text)


def test_a_form_with_a_file_arrives(framework):
    parts = [
        'Content-Disposition: form-data; name="name"\r\n\r\nMedusa',
        'Content-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + "x" * 3_000_000,
    ]
    body = "".join(f"--b\r\n{part}\r\n" for part in parts) + "--b--\r\n"
    fields = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = framework.ask("/form", "POST", body.encode(), fields)
    assert (answer.status, answer.text) == (200, "Medusa 3000000")


def test_a_file_is_sent_whole_and_in_ranges(framework):
    whole = framework.ask("/file")
    assert whole.body == SOURCE
    part = framework.ask("/file", headers={"Range": "bytes=10-19"})
    if framework.is_checked and framework.name == "Django":
        # It leaves ranges to the server, which the validator hides the file from.
        assert (part.status, part.body) == (200, SOURCE)
    else:
        assert (part.status, part.body) == (206, SOURCE[10:20])
    assert framework.ask("/file", "HEAD").headers["Content-Length"] == str(len(SOURCE))


def test_djangos_streaming_responses_are_read_outside_the_workers(euryale):
    server = euryale("frameworks:streaming_django_app", "--factory", "--threads", "1")
    with ThreadPoolExecutor(4) as clients:
        asked = [clients.submit(server.ask, "/rows") for _ in range(4)]
        running = 'euryale_lane_running{lane="python-streams"}'
        until(lambda: server.metric(running) == 4, "all are sent beside one worker")
        assert server.ask("/file", headers={"Range": "bytes=10-19"}).body == SOURCE[10:20]
        server.open("rows")
        answers = sorted(answer.result().text for answer in asked)
    threads = [f"euryale-stream-{number}" for number in range(4)]
    assert answers == [f"{thread} 0" for thread in threads]
    opened = json.loads(server.ask("/state").body)["opened"]
    assert sorted(opened) == ["euryale-0", *threads], "each thread has a connection"
    quiet(server)
    assert server.stop() == 0


def test_flasks_x_sendfile_is_sent_whole_and_in_ranges(euryale):
    folder = f"/apps={APPS}"
    server = euryale("frameworks:flask_app", "--factory", "--sendfile", folder)
    whole = server.ask("/named")
    assert (whole.status, whole.body) == (200, SOURCE)
    assert whole.headers["content-type"] == "text/x-python; charset=utf-8"
    tag = whole.headers["etag"]
    part = server.ask("/named", headers={"Range": "bytes=10-19", "If-Range": tag})
    assert (part.status, part.body) == (206, SOURCE[10:20])
    assert server.ask("/named", "HEAD").headers["content-length"] == str(len(SOURCE))
    unchanged = server.ask("/named", headers={"If-None-Match": tag})
    assert (unchanged.status, unchanged.body) == (304, b"")
    assert "x-sendfile" not in {*whole.headers, *part.headers, *unchanged.headers}
    assert "WARNING" not in server.log


def test_djangos_collected_files_are_served_and_hashed_ones_are_kept(euryale, tmp_path):
    collected = tmp_path / "collected"
    script = f"""
import django
from django.conf import settings
from django.core.management import call_command
backend = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
settings.configure(
    INSTALLED_APPS=["django.contrib.staticfiles", "django.contrib.admin",
                    "django.contrib.auth", "django.contrib.contenttypes"],
    STATIC_URL="/static/",
    STATIC_ROOT={str(collected)!r},
    STORAGES={{"staticfiles": {{"BACKEND": backend}}}},
)
django.setup()
call_command("collectstatic", "--noinput", verbosity=0)
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    manifest = json.loads((collected / "staticfiles.json").read_text())
    plain = "admin/css/base.css"
    hashed = manifest["paths"][plain]
    server = euryale("frameworks:django_app", "--factory", "--static", f"/static={collected}")
    for name, kept in [(plain, None), (hashed, "public, max-age=31536000, immutable")]:
        answer = server.ask(f"/static/{name}")
        assert answer.body == (collected / name).read_bytes()
        assert answer.headers["content-type"] == "text/css; charset=utf-8"
        assert answer.headers["cache-control"] == kept
    again = server.ask(f"/static/{hashed}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status, again.headers["cache-control"]) == (304, kept)
    missing = server.ask(f"/static/admin/missing.{'0a' * 6}.css")
    assert (missing.status, missing.headers["cache-control"]) == (404, None)


def test_django_has_one_connection_for_each_thread(euryale):
    """Under 100 requests at a time, with conflicts, and with clients that disconnect."""
    server = euryale("frameworks:django_app", "--factory", "--threads", "4")
    with ThreadPoolExecutor(100) as clients:
        counts = clients.map(lambda _: server.ask("/count", "POST").status, range(150))
        pages = clients.map(lambda _: server.ask("/").status, range(150))
        leavers = [server.connect() for _ in range(40)]
        for peer in leavers:
            peer.sendall(b"POST /count HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
            peer.close()
        counted = list(counts).count(200)
        assert set(pages) == {200}
    until(lambda: server.metric("euryale_publishers_running") == 0, "all have ended")
    state = json.loads(server.ask("/state").body)
    assert sorted(state["opened"]) == [f"euryale-{number}" for number in range(4)]
    assert state["conflicts"] > 0, "requests got into each other's way"
    assert counted >= 100
    assert counted <= state["value"] <= counted + 40, "each answer of 200 was counted once"


def test_zope_runs_under_runwsgi(zope):
    server = zope("-d")
    assert "Zope" in server.ask("/").text
    assert server.ask("/manage_main").status == 401
    login = {"Authorization": "Basic YWRtaW46YWRtaW4="}
    assert server.ask("/manage_main", headers=login).status == 200
    assert server.stop() == 0
    # `[loggers]` of the ini file has our lines, too.
    event_log = (server.folder / "var" / "log" / "event.log").read_text()
    assert "serving on http://127.0.0.1:" in event_log
    assert "draining" in event_log


def test_zopes_pid_file_is_there_while_it_serves(zope):
    server = zope()
    found = list(server.folder.rglob("*.pid"))
    assert [path.read_text() for path in found] == [str(server.process.pid)]
    assert server.stop() == 0
    assert not found[0].exists()


def test_zope_answers_a_webdav_method_and_head(zope):
    server = zope()
    login = {"Authorization": "Basic YWRtaW46YWRtaW4=", "Depth": "0"}
    assert server.ask("/", "PROPFIND", headers=login).status == 207
    # An answer to HEAD with a body would be the beginning of the next one.
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    connection.connect()
    connection.auto_open = 0
    for method in ["HEAD", "GET", "HEAD", "GET"]:
        connection.request(method, "/")
        answer = connection.getresponse()
        assert (answer.status, answer.will_close) == (200, False)
        assert bool(answer.read()) == (method == "GET")
    connection.close()


def test_the_standards_validator_has_no_complaint_about_zope(zope):
    """But for Zope's empty answers of 401 and 302, which have no Content-Type."""
    server = zope(factory="counted:checked")
    login = {"Authorization": "Basic YWRtaW46YWRtaW4="}
    for status, method, path, body, headers in [
        (200, "GET", "/", None, {}),
        (200, "HEAD", "/", None, {}),
        (200, "GET", "/manage_main", None, login),
        (404, "GET", "/nothing", None, {}),
        (200, "POST", "/@@count", b"", {}),
    ]:
        assert server.ask(path, method, body, headers).status == status, path
    assert server.stop() == 0
    assert "AssertionError" not in server.log


def test_zodb_connections_are_as_many_as_threads(zope):
    """Under load, with conflicts, and with clients that disconnect."""
    server = zope(factory="counted:factory")
    with ThreadPoolExecutor(100) as clients:
        answers = clients.map(lambda _: server.ask("/@@count", "POST").status, range(60))
        pages = clients.map(lambda _: server.ask("/").status, range(100))
        leavers = [server.connect() for _ in range(40)]
        for peer in leavers:
            peer.sendall(b"POST /@@count HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
            peer.close()
        counted = list(answers).count(200)
        assert set(pages) == {200}
    opened = server.ask("/-/connections").text.split()
    # One is made at the start, before there are workers, and is used again.
    assert len(opened) == 2 and "MainThread" in opened, opened
    value = int(server.ask("/-/value").text)
    assert counted <= value <= counted + 40, "each answer of 200 was counted once"

