"""Proxies that send files themselves, in front of a server."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import HERE, PATIENCE, Served, free_ports, until

#: The module of Apache, which is a package of its own.
XSENDFILE = Path("/usr/lib/apache2/modules/mod_xsendfile.so")

#: Files that a proxy was left to send.
OFFLOADED = 'euryale_blobs_total{path="offload"}'

AROUND = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{}}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        {locations}
    }}
}}
"""

NGINX = AROUND.replace(
    "{locations}",
    """
        location / {{
            proxy_pass http://127.0.0.1:{site};
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Sendfile-Type X-Accel-Redirect;
            proxy_set_header X-Accel-Mapping '';
            proxy_set_header X-Remote-User $arg_login;
        }}
        location /@@blobs/ {{
            internal;
            alias {files}/;
        }}
    """,
)

CADDY = """
{{
    admin off
    auto_https off
    storage file_system {folder}
}}
http://127.0.0.1:{port} {{
    reverse_proxy 127.0.0.1:{site} {{
        header_up X-Sendfile-Type X-Sendfile
        header_up -X-Accel-Mapping
        header_up -X-Remote-User
        @file header X-Sendfile *
        handle_response @file {{
            copy_response_headers {{
                exclude Content-Length X-Sendfile Accept-Ranges Date
            }}
            root * /
            rewrite * {{rp.header.X-Sendfile}}
            file_server
        }}
    }}
}}
"""

APACHE = """
ServerRoot {folder}
ServerName localhost
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
DefaultRuntimeDir {folder}
Mutex file:{folder} default
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
LoadModule xsendfile_module /usr/lib/apache2/modules/mod_xsendfile.so
User {name}
Listen 127.0.0.1:{port}
ProxyAddHeaders Off
RequestHeader set X-Forwarded-For expr=%{{REMOTE_ADDR}}
RequestHeader set X-Forwarded-Proto expr=%{{REQUEST_SCHEME}}
RequestHeader set X-Sendfile-Type X-Sendfile
RequestHeader unset X-Accel-Mapping
RequestHeader unset X-Remote-User
XSendFile On
XSendFilePath {files}
ProxyPass / http://127.0.0.1:{site}/
"""

def of_the_guide() -> str:
    """The configuration with the locations of the guide's page."""
    page = HERE.parents[1] / "euryale" / "src" / "guide" / "from_wsgi_servers.md"
    (locations,) = re.findall(r"```nginx\n(.*?)```", page.read_text(), re.DOTALL)
    locations = locations.replace("{", "{{").replace("}", "}}")
    for written, ours in [("127.0.0.1:8080", "127.0.0.1:{site}"), ("/srv/media", "{files}")]:
        assert locations.count(written) == 1
        locations = locations.replace(written, ours)
    return AROUND.replace("{locations}", locations)


#: The programs, their configurations, and the path of the setting ``offload``.
PROXIES = {
    "nginx": (["nginx", "-p", "{folder}", "-c", "{file}"], NGINX, "/@@blobs"),
    "the guide": (["nginx", "-p", "{folder}", "-c", "{file}"], of_the_guide(), "/protected"),
    "caddy": (["caddy", "run", "--adapter", "caddyfile", "--config", "{file}"], CADDY, "/"),
    "apache2": (["apache2", "-d", "{folder}", "-f", "{file}", "-D", "FOREGROUND"], APACHE, "/"),
}


def ask(port: int, path: str, method: str = "GET", **headers: str):
    """The status, the header fields and the body."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"http://127.0.0.1:{port}{path}"
    request = urllib.request.Request(url, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


@pytest.fixture
def proxy(tmp_path) -> Iterator[Callable[..., int]]:
    """Start a proxy in front of a server, and return its port."""
    running = []

    def start(name: str, site: Served, files: Path) -> int:
        command, text, _ = PROXIES[name]
        program = shutil.which(command[0], path=os.environ["PATH"] + ":/usr/sbin")
        if program is None or name == "apache2" and not XSENDFILE.exists():
            pytest.skip(f"{command[0]} is not installed, or has no X-Sendfile")
        (port,) = free_ports(1)
        folder = tmp_path / name.replace(" ", "-")
        folder.mkdir()
        # Its workers have to read the files, which belong to the user of the tests.
        is_root = os.getuid() == 0
        user = getpass.getuser()
        values = {"folder": folder, "port": port, "site": site.port, "files": files}
        values |= {"user": f"user {user};" if is_root else "", "name": "www-data"}
        file = folder / "proxy.conf"
        file.write_text(text.format(**values))
        command = [part.format(folder=folder, file=file) for part in command[1:]]
        as_user = []
        if name == "apache2" and is_root:
            # Apache refuses to serve as root, and blobs of the ZODB can be read by their user only.
            ids = ["--reuid", "www-data", "--regid", "www-data", "--clear-groups"]
            rights = ["--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"]
            as_user = ["setpriv", *ids, *rights, "--"]
        with (folder / "output.log").open("wb") as output:
            process = subprocess.Popen([*as_user, program, *command], stdout=output, stderr=output)
        running.append(process)

        def serves() -> bool:
            assert process.poll() is None, (folder / "output.log").read_text()
            try:
                return ask(port, "/")[0] == 200
            except urllib.error.URLError:
                return False

        until(serves, f"{name} serves")
        return port

    yield start
    for process in running:
        process.terminate()
        process.wait(PATIENCE)
