"""A Plone site behind Euryale, behind nginx, which sends the site's files.

``python run.py`` creates a site in the folder ``site`` and runs it until Ctrl-C. ``python run.py
--test`` creates one in a temporary folder, sends requests to it, and ends it.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent

#: The time for anything to happen, in seconds. The first start compiles Plone's translations.
PATIENCE = 180.0

#: The files that nginx was left to send.
OFFLOADED = 'euryale_blobs_total{path="offload"}'


class Site(NamedTuple):
    """A running site, and where it answers."""

    folder: Path
    port: int
    direct: int
    admin: int

    @property
    def url(self) -> str:
        # plone.app.theming leaves pages of 127.0.0.1 without a theme, for theme authors.
        return f"http://localhost:{self.port}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("site"), help="default: site")
    parser.add_argument("--port", type=int, default=8080, help="nginx's port, default: 8080")
    parser.add_argument("--test", action="store_true", help="test a site in a temporary folder")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if options.test:
        with tempfile.TemporaryDirectory() as folder:
            create(Path(folder) / "site")
            with running(Path(folder) / "site") as site:
                check(site)
        print("passed")
        return
    if not options.folder.exists():
        create(options.folder)
    with contextlib.suppress(KeyboardInterrupt):
        with running(options.folder, options.port) as site:
            print(f"{site.url} has the site: log in as admin, with the password admin")
            print(f"http://127.0.0.1:{site.admin}/status has the state of the server", flush=True)
            signal.pause()


def program(name: str) -> str:
    """A program of the environment that runs this script."""
    return str(Path(sys.executable).with_name(name))


def filled(name: str, **values: object) -> str:
    """The file of this folder, with values for the names between @ signs."""
    text = (HERE / name).read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    return text


def create(folder: Path) -> None:
    """Make an instance as its administrator would, and a site in it."""
    folder = folder.resolve()
    subprocess.run([program("mkwsgiinstance"), "-d", folder, "-u", "admin:admin"], check=True)
    blobs = folder / "var" / "blobstorage"
    blobs.mkdir(mode=0o700)
    conf = folder / "etc" / "zope.conf"
    conf.write_text(filled("zope.conf", folder=folder, blobs=blobs))
    script = HERE / "create_site.py"
    subprocess.run([program("zconsole"), "run", conf, script], check=True)


@contextlib.contextmanager
def running(folder: Path, port: int = 0) -> Iterator[Site]:
    """Run the site, and nginx in front of it. Without a port, one that is free."""
    folder = folder.resolve()
    direct, admin, free = free_ports()
    site = Site(folder, port or free, direct, admin)
    configure(site)
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if nginx is None:
        sys.exit("nginx is not installed")
    # Without root's rights, nginx has the user of this script anyway.
    user = ["-g", f"user {getpass.getuser()};"] if os.getuid() == 0 else []
    with contextlib.ExitStack() as stack:
        ini = folder / "etc" / "zope.ini"
        plone = stack.enter_context(ended(subprocess.Popen([program("runwsgi"), ini], cwd=folder)))
        until(lambda: is_ready(plone, f"http://127.0.0.1:{admin}/readyz"))
        command = [nginx, "-p", folder, "-c", folder / "etc" / "nginx.conf", *user]
        proxy = stack.enter_context(ended(subprocess.Popen(command)))
        until(lambda: is_ready(proxy, f"{site.url}/"))
        yield site


def configure(site: Site) -> None:
    """Write the configuration of the server and of nginx."""
    blobs = site.folder / "var" / "blobstorage"
    values = {"folder": site.folder, "blobs": blobs, "port": site.port}
    values |= {"site": site.direct, "admin": site.admin}
    ini = site.folder / "etc" / "zope.ini"
    text = ini.read_text()
    section = filled("server.ini", **values)
    section = section[section.index("[server:main]") :]
    text, count = re.subn(r"(?ms)^\[server:main\]$.*?(?=^\[)", lambda _: section + "\n", text)
    assert count == 1, ini
    # The server has a log of requests of its own.
    ini.write_text(text.replace("    translogger\n", ""))
    (site.folder / "nginx").mkdir(exist_ok=True)
    (site.folder / "etc" / "nginx.conf").write_text(filled("nginx.conf", **values))


@contextlib.contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """End the process afterwards, and wait for it."""
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def free_ports() -> list[int]:
    """Three ports below those that the system chooses for other programs' sockets."""
    ports = []
    with contextlib.ExitStack() as stack:
        for port in range(18_080 + os.getpid() % 10_000, 32_768):
            probe = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                ports.append(port)
            if len(ports) == 3:
                break
    return ports


def is_ready(process: subprocess.Popen[bytes], url: str) -> bool:
    if process.poll() is not None:
        sys.exit(f"{process.args} ended with status {process.returncode}")
    try:
        return ask(url)[0] == 200
    except OSError:
        return False


def until(found) -> None:
    deadline = time.monotonic() + PATIENCE
    while not found():
        assert time.monotonic() < deadline, f"not within {PATIENCE} s"
        time.sleep(0.05)


def ask(url: str, method: str = "GET", **headers: str):
    """The status, the header fields and the body of an answer."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, headers=fields, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def metric(site: Site, name: str) -> float:
    text = ask(f"http://127.0.0.1:{site.admin}/metrics")[2].decode()
    (value,) = re.findall(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(value)


def check(site: Site) -> None:
    """Send requests to a new site, and compare the answers with what they should be."""
    status, _, page = ask(f"{site.url}/page")
    assert status == 200 and b"<title>Stheno" in page
    assert f'href="{site.url}/page"'.encode() in page, "links lead to nginx"
    assert f":{site.direct}".encode() not in page
    assert b"barceloneta" in page, "it has its theme"

    film = f"{site.url}/film/@@download/file"
    before = metric(site, OFFLOADED)
    status, headers, whole = ask(film)
    assert (status, len(whole), headers["content-type"]) == (200, 10 << 20, "video/mp4")
    status, headers, part = ask(film, Range="bytes=1000-1999")
    assert (status, part) == (206, whole[1000:2000])
    assert headers["content-range"] == f"bytes 1000-1999/{10 << 20}"
    for _ in range(2):
        # The first request makes the scale, and commits it.
        status, headers, _ = ask(f"{site.url}/picture/@@images/image/preview")
        assert status == 200 and headers["content-type"].startswith("image/")
    assert metric(site, OFFLOADED) >= before + 2, "nginx has sent the film and the picture"

    # No client decides who sends a file, or names one.
    forged = {"X_Sendfile_Type": "X-Sendfile", "X_Accel_Mapping": "/=/@@blobs"}
    status, headers, body = ask(film, **forged)
    assert body == whole and not {"x-sendfile", "x-accel-redirect"} & set(headers)
    first = next((site.folder / "var" / "blobstorage").rglob("*.blob"))
    inside = first.relative_to(site.folder / "var" / "blobstorage")
    assert ask(f"{site.url}/@@blobs/{inside}")[0] == 404


if __name__ == "__main__":
    main()
