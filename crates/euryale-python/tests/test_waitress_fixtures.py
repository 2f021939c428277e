"""waitress's fixture applications, unmodified: from its source package, which pip fetches."""

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from conftest import until
from raw import Raw
from test_conformance import exchange, get, post

#: As in requirements.txt. The wheel has no tests.
WAITRESS = "waitress==3.0.2"


@pytest.fixture(scope="module")
def fixtures(pypi, tmp_path_factory) -> Path:
    """The folder of the applications."""
    folder = tmp_path_factory.mktemp("waitress")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-binary", ":all:", "--dest", folder]
    subprocess.run([*pip, *options, WAITRESS], check=True)
    (package,) = folder.glob("waitress-*.tar.gz")
    with tarfile.open(package) as archive:
        # Not every Python 3.10 and 3.11 has filters.
        filters = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(folder, **filters)
    (found,) = folder.glob("waitress-*/tests/fixtureapps")
    return found


@pytest.fixture
def serve(fixtures, euryale):
    """Start one of them, and ask it."""

    def start(application: str, *arguments: str):
        server = euryale(application, "--chdir", str(fixtures), "--threads", "2", *arguments)

        def ask(request: bytes) -> Raw:
            return exchange(server, request)

        ask.server = server
        return ask

    return start


def test_echo(serve):
    ask = serve("echo:app_body_only")
    chunked = get("/", "Transfer-Encoding: chunked", method="POST", body=b"3\r\nabc\r\n0\r\n\r\n")
    for request, body in [
        (get("/"), b""),
        (get("/", version="1.0"), b""),
        (post("/", b"abcdefghi"), b"abcdefghi"),
        (post("/", b"This string has\nnewlines\n" * 10_000), b"This string has\nnewlines\n" * 10_000),
        (chunked, b"abc"),
    ]:
        answer = ask(request)
        assert (answer.status, answer.body, answer.complete) == (200, body, True)
        assert answer.headers["content-type"] == "text/plain"


def test_echo_of_the_environ(serve):
    names = "x-forwarded-for x-forwarded-proto x-forwarded-port"
    trusting = ["--trusted-proxy", "127.0.0.1", "--trusted-proxy-headers", names]
    ask = serve("echo:app", *trusting)
    fields = ["X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https", "X-Forwarded-Port: 4443"]
    answer = ask(get("/a%20b?c=d", *fields, "X-Foo: 1", "X-Foo: 2"))
    found = json.loads(answer.body.partition(b"\r\n\r\n")[0])
    assert (found["method"], found["path_info"], found["query_string"]) == ("GET", "/a b", "c=d")
    assert (found["scheme"], found["server_port"]) == ("https", "4443")
    assert (found["remote_addr"], found["remote_host"]) == ("192.0.2.7", "192.0.2.7")
    assert found["headers"]["X_FOO"] == "1, 2"
    assert not [name for name in found["headers"] if name.startswith("X_FORWARDED")]


@pytest.mark.parametrize("application", ["badcl", "writecb"])
def test_lengths(serve, application):
    ask = serve(f"{application}:app")
    whole = ask(get("/"))
    assert (whole.body, whole.complete) == (b"abcdefghi", True)
    long = ask(get("/long_body"))
    assert long.complete and long.body == b"abcdefghi"[: int(long.headers["content-length"])]
    short = ask(get("/short_body"))
    assert not short.complete, "nobody takes it for the whole"
    assert b"abcdefghi".startswith(short.body) and len(short.body) >= 8
    if application == "writecb":
        unnamed = ask(get("/no_content_length"))
        assert (unnamed.body, unnamed.complete) == (b"abcdefghi", True)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_no_length(serve, version):
    ask = serve("nocl:app")
    for path in ["/", "/list", "/list_lentwo"]:
        body = b"abcdefghi" * 100
        fields = [f"Content-Length: {len(body)}"]
        answer = ask(get(path, *fields, method="POST", version=version, body=body))
        assert (answer.status, answer.body, answer.complete) == (200, body, True), path


def test_errors(serve):
    ask = serve("error:app")
    for path in ["/before_start_response", "/after_start_response", "/after_write_cb", "/in_generator"]:
        answer = ask(get(path))
        assert (answer.status, answer.body) == (500, b"Internal Server Error\n"), path
    ask = serve("error_traceback:app")
    assert ask(get("/")).status == 500
    # Whatever its characters are.
    until(lambda: "ValueError: Invalid application: " in ask.server.log, "it is logged")


def test_files(serve, fixtures):
    ask = serve("filewrapper:app")
    jpeg = (fixtures / "groundhog1.jpg").read_bytes()
    wholes = ["/filelike", "/filelike_nocl", "/filelike_longcl", "/notfilelike"]
    wholes += ["/notfilelike_nocl", "/notfilelike_longcl"]
    for path in [*wholes, "/filelike_shortcl", "/notfilelike_shortcl", "/notfilelike_iobase"]:
        answer = ask(get(path))
        assert answer.status == 200, path
        if path.endswith("shortcl"):
            assert answer.complete and answer.body == jpeg[: int(answer.headers["content-length"])]
        else:
            assert answer.body == jpeg, path
            assert answer.complete == (not path.endswith("longcl")), path
    sent = ask.server.metric('euryale_blob_bytes_total{path="sendfile"}')
    assert sent > 2 * len(jpeg), "regular files leave by sendfile"


def test_others(serve):
    ask = serve("sleepy:app")
    assert ask(get("/")).body == b"notsleepy returned"
    ask = serve("toolarge:app", "--max-request-body-size", "1000")
    assert ask(post("/", b"x" * 1000)).body == b"abcdef"
    assert ask(post("/", b"x" * 1001)).status == 413
    ask = serve("toolarge:app", "--max-request-header-size", "10K")
    assert ask(get("/", "X-A: " + "x" * 20_000)).status == 431
    assert serve("runner:returns_app", "--factory").server.ask("/").status == 500
