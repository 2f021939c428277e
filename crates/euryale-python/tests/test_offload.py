"""Behind a proxy that sends files itself and names the user."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import euryale as package
from conftest import Served
from proxies import OFFLOADED, PROXIES, ask, proxy  # noqa: F401, a fixture

BYTES = bytes(range(256)) * 1000


@pytest.fixture
def files() -> Iterator[Path]:
    """A folder that Apache's user can read, beside a file."""
    with tempfile.TemporaryDirectory() as around:
        files = Path(around) / "files"
        files.mkdir()
        (files / "a b.bin").write_bytes(BYTES)
        (files.parent / "other.bin").write_bytes(BYTES)
        files.parent.chmod(0o755)
        yield files


@pytest.fixture
def nginx(proxy) -> Callable[..., int]:
    return lambda site, files: proxy("nginx", site, files)


def behind(euryale, files: Path, *arguments: str, path: str = "/@@blobs") -> Served:
    trusted = ["--trusted-proxy", "127.0.0.1", "--offload", f"{path}={files}"]
    return euryale("orders:app", *trusted, *arguments)


def path_of(file: Path) -> str:
    return "/wrapped?" + str(file)


@pytest.mark.parametrize("name", PROXIES)
def test_a_proxy_sends_whole_files_parts_and_heads(euryale, proxy, files, name):
    (files / "a.bin").write_bytes(BYTES)
    path = PROXIES[name][2]
    site = behind(euryale, files, "--sendfile", f"/@@blobs={files}", path=path)
    port = proxy(name, site, files)
    for path in [
        path_of(files / "a.bin"),
        "/deferred?X-Accel-Redirect=/@@blobs/a.bin",
        "/named?X-Accel-Redirect=/@@blobs/a%20b.bin",
    ]:
        before = site.metric(OFFLOADED)
        streamed = site.metric("euryale_blob_bytes_total")
        # Caddy would not decode the space.
        is_left = name in ("nginx", "the guide") or "%20" not in path
        status, headers, body = ask(port, path)
        assert (status, headers["content-type"], body) == (200, "application/pdf", BYTES)
        status, headers, body = ask(port, path, Range="bytes=7-9")
        assert (status, headers["content-range"], body) == (206, "bytes 7-9/256000", BYTES[7:10])
        status, headers, body = ask(port, path, method="HEAD")
        assert (status, headers["content-length"], body) == (200, "256000", b"")
        status, headers, _ = ask(port, path, Range="bytes=999999-")
        assert status == 416
        tag = ask(port, path)[1]["etag"]
        assert ask(port, path, If_None_Match=tag)[0] == 304
        if is_left:
            assert site.metric(OFFLOADED) == before + 6
            assert site.metric("euryale_blob_bytes_total") == streamed, "no byte left here"
        else:
            assert site.metric(OFFLOADED) == before


def test_files_elsewhere_are_streamed_through_the_proxy(euryale, nginx, files):
    site = behind(euryale, files)
    port = nginx(site, files)
    status, headers, body = ask(port, path_of(files.parent / "other.bin"), Range="bytes=7-9")
    assert (status, headers["content-range"], body) == (206, "bytes 7-9/256000", BYTES[7:10])
    assert site.metric(OFFLOADED) == 0


@pytest.mark.parametrize(
    "policy", ["Content-Security-Policy=sandbox", "Access-Control-Allow-Origin=*"]
)
def test_a_file_with_a_policy_keeps_it(euryale, nginx, files, policy):
    (files / "a.svg").write_bytes(BYTES)
    site = behind(euryale, files)
    _, headers, body = ask(nginx(site, files), f"{path_of(files / 'a.svg')}&{policy}")
    name, value = policy.split("=")
    assert (headers[name], body) == (value, BYTES)
    assert site.metric(OFFLOADED) == 0


def test_nobody_outside_injects_an_order(euryale, nginx, files):
    (files / "a.bin").write_bytes(BYTES)
    site = behind(euryale, files)
    forged = {"X_Sendfile_Type": "X-Sendfile", "X_Accel_Mapping": "/=/@@blobs"}
    port = nginx(site, files)
    _, headers, body = ask(port, path_of(files / "a.bin"), **forged)
    assert body == BYTES and "x-sendfile" not in headers
    assert ask(port, "/user", X_Accel_Redirect="/a", X_Sendfile="/a")[2].endswith(b" []")
    # A peer that is not a proxy gets the bytes, whatever it claims.
    alone = euryale("orders:app", "--trusted-proxy", "192.0.2.1", "--offload", f"/@@blobs={files}")
    _, headers, body = ask(alone.port, path_of(files / "a.bin"), **forged)
    assert body == BYTES
    assert not [name for name in headers if name.lower().startswith(("x-accel", "x-sendfile"))]
    assert ask(alone.port, "/user", **forged)[2].endswith(b" []")


def test_paths_with_virtual_hosts_reach_the_application_as_they_are(euryale, nginx, files):
    site = behind(euryale, files, "--static", f"/static={files}")
    path = "/VirtualHostBase/https/example.org:443/Plone/VirtualHostRoot/_vh_app/static/user"
    assert ask(nginx(site, files), "/path" + path)[2] == f"/path{path}".encode()


def test_the_user_is_who_the_proxy_says(euryale, nginx, files):
    site = behind(euryale, files, "--remote-user-header", "X-Remote-User")
    port = nginx(site, files)
    assert ask(port, "/user?login=alice")[2].startswith(b"alice alice ")
    assert ask(port, "/user", X_Remote_User="mallory")[2].startswith(b"- - ")
    # This peer has a proxy's address. A second value was added by somebody else.
    with site.connect() as peer:
        peer.sendall(
            b"GET /user HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
            b"X-Remote-User: alice\r\nX-Remote-User: mallory\r\n\r\n"
        )
        assert b"\r\n\r\n- - " in b"".join(iter(lambda: peer.recv(4096), b""))


def test_other_peers_name_no_user(euryale):
    trusted = ["--trusted-proxy", "192.0.2.1", "--remote-user-header", "x-remote-user"]
    site = euryale("orders:app", *trusted)
    assert ask(site.port, "/user", X_Remote_User="mallory")[2].startswith(b"- - ")


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"offload": "/@@blobs=/tmp"}, "offload: no proxy is trusted"),
        ({"offload": "/b=/nowhere", "trusted_proxy": "::1"}, "offload: /nowhere: No such file"),
        ({"remote_user_header": "x-user"}, "no proxy is trusted"),
        ({"remote_user_header": "x-user", "trusted_proxy": "*"}, "would let each client choose"),
        (
            {"remote_user_header": "x-user", "trusted_proxy": "::1, 0.0.0.0/0"},
            "would let each client choose",
        ),
        ({"remote_user_header": "x_user", "trusted_proxy": "::1"}, "write the name of a field"),
        ({"debug": "on", "listen": "0.0.0.0:0"}, "needs listeners at 127.0.0.1 or ::1 only"),
        ({"debug": "on", "listen": "unix:debug.sock"}, "needs listeners at 127.0.0.1"),
        ({"debug": "on", "trusted_proxy": "::1"}, "does not work with trusted_proxy"),
    ],
)
def test_settings_that_do_not_fit_end_the_start(settings, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(package.SettingsError) as raised:
        package.create_server(lambda *_: [], **{"listen": "127.0.0.1:0", **settings})
    assert message in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_tracebacks_are_in_the_page_only_with_debug(euryale):
    debugged = euryale("orders:app", "--debug", "on")
    answer = debugged.ask("/raises")
    assert answer.status == 500
    assert answer.text.startswith("Traceback ") and "LookupError: a secret detail" in answer.text
    assert "a secret detail" not in euryale("orders:app").ask("/raises").text
