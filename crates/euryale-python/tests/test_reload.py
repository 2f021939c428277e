"""Applications that are started again when their code changes."""

from __future__ import annotations

import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import Served, free_ports, until, zope_instance

from euryale._reload import OpenedFiles, Reporter, Watcher

CODE = """
{imports}
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [{answer!r}.encode()]
"""

STARTING = "starting the application again"


def write(path: Path, text: str) -> None:
    """Replace a file as an editor does."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


def code(answer: str, imports: str = "") -> str:
    return CODE.format(answer=answer, imports=imports)


@pytest.fixture
def project(tmp_path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    write(folder / "site_of_mine.py", code("one"))
    return folder


@pytest.fixture
def reloading(euryale, project) -> Callable[..., Served]:
    def start(*arguments: str, **options) -> Served:
        command = ["site_of_mine:app", "--reload", f"--chdir={project}", *arguments]
        return euryale(*command, **options)

    return start


def shows(server: Served, text: str) -> None:
    """Wait until the new code answers. From then on no other does."""
    until(lambda: server.ask().text == text, f"the page is {text!r}")
    assert {server.ask().text for _ in range(20)} == {text}


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    watcher = Watcher()
    yield watcher
    watcher.close()


def test_a_change_is_found_once_and_files_that_the_application_writes_are_left_out(
    watcher, project
):
    reporter = Reporter(watcher.path)
    files = [project / name for name in ("a.py", "b.ini", "written.yaml", "missing.toml")]
    for file in files[:3]:
        file.write_text("old")
    reporter.watch_files(files)
    reporter.opened(str(files[2]), is_read=False)
    reporter.watch_files(files)
    # It changes before the parent has read any report.
    write(files[0], "new")
    assert watcher.changed() == [str(files[0])]
    files[2].write_text("new")
    files[1].unlink()
    assert watcher.changed() == [str(files[1])]
    files[3].write_text("")
    assert watcher.changed() == [str(files[3])]
    reporter.trigger_reload()
    assert watcher.changed() == ["the application asks for it"]


def test_code_of_the_application_is_watched_and_installed_packages_are_not(project, tmp_path):
    import json as installed

    opened = []
    hook = OpenedFiles(lambda path, is_read: opened.append((path, is_read)))
    module, compiled = project / "site_of_mine.py", project / "__pycache__" / "m.cpython-311.pyc"
    for path, mode in [
        (str(module), "rb"),
        (str(module), "rb"),
        (str(compiled), "rb"),
        (installed.__file__, "rb"),
        (str(project / "page.html"), "r"),
        (str(project / "site.zcml"), "r"),
        (str(project / "state.yaml"), "w"),
    ]:
        hook("open", (path, mode, 0))
    hook("open", (3, "r", 0))
    hook("import", ("module",))
    assert opened == [
        (str(module), True),
        (str(compiled), True),
        (str(project / "site.zcml"), True),
        (str(project / "state.yaml"), False),
    ]


def test_a_changed_module_answers_once_it_is_imported(reloading, project):
    server = reloading()
    shows(server, "one")
    write(project / "site_of_mine.py", code("two"))
    shows(server, "two")
    # A module that is imported only now is watched as well.
    write(project / "more.py", "NAME = 'more'")
    write(project / "site_of_mine.py", code("three", "import more"))
    shows(server, "three")
    count = server.log.count(STARTING)
    write(project / "more.py", "NAME = 'other'")
    until(lambda: server.log.count(STARTING) > count, "it is started again")
    assert str(project / "more.py") in server.log
    assert server.stop() == 0


def test_a_broken_edit_under_load_leaves_the_old_code_and_one_traceback(reloading, project):
    server = reloading("--threads=2")
    is_over = threading.Event()
    answers: list[tuple[int, str]] = []

    def keep_asking() -> None:
        while not is_over.is_set():
            answer = server.ask(headers={"Connection": "close"})
            answers.append((answer.status, answer.text))

    with ThreadPoolExecutor(4) as clients:
        asking = [clients.submit(keep_asking) for _ in range(4)]
        try:
            until(lambda: len(answers) > 20, "the clients get answers")
            write(project / "site_of_mine.py", "def app(:\n")
            until(lambda: "the roll stops; old children serve on" in server.log, "it is refused")
            count = len(answers)
            until(lambda: len(answers) > count + 20, "the old code serves on")
        finally:
            is_over.set()
        for one in asking:
            one.result()
    assert set(answers) == {(200, "one")}
    assert server.log.count("SyntaxError") == 1 and server.log.count("Traceback") == 1
    # A file that only the broken code has opened, broken in another way.
    write(project / "broken.py", "1 / 0\n")
    write(project / "site_of_mine.py", code("two", "import broken"))
    until(lambda: server.log.count("ZeroDivisionError") == 1, "it is refused, too")
    write(project / "broken.py", "")
    shows(server, "two")
    assert server.log.count("Traceback") == 2
    assert server.stop() == 0


def test_code_that_is_broken_at_the_start_is_waited_for(reloading, project):
    write(project / "site_of_mine.py", "import nowhere\n")
    server = reloading(ready=False)
    until(lambda: "waiting for a change" in server.log, "it waits")
    assert server.log.count("ModuleNotFoundError") == 1
    write(project / "site_of_mine.py", code("mended"))
    server.started()
    shows(server, "mended")
    assert server.stop() == 0


def test_it_ends_while_it_waits_for_a_change(reloading, project):
    write(project / "site_of_mine.py", "import nowhere\n")
    server = reloading(ready=False)
    until(lambda: "waiting for a change" in server.log, "it waits")
    server.send(signal.SIGINT)
    assert server.wait() == 0


def test_files_of_settings_and_zcml_are_watched(euryale, project):
    zcml = '<configure xmlns="http://namespaces.zope.org/zope">{}</configure>'
    write(project / "site.zcml", zcml.format(""))
    write(project / "extra.txt", "one")
    imports = [
        "from zope.configuration import xmlconfig",
        f"xmlconfig.file({str(project / 'site.zcml')!r})",
        "def factory(config, **settings):",
        "    return app",
    ]
    write(project / "site_of_mine.py", code("one", "\n".join(imports)))
    lines = [
        "[app:main]",
        "paste.app_factory = site_of_mine:factory",
        "[server:main]",
        "use = egg:euryale#main",
        "threads = {}",
    ]
    ini = project / "site.ini"
    write(ini, "\n".join(lines).format(1))
    extra = f"--reload-extra-file={project / 'extra.txt'}"
    server = euryale(str(ini), "--reload", f"--chdir={project}", extra)
    rolled = "all children have been replaced"
    for number, (name, text) in enumerate(
        [
            ("site.zcml", zcml.format("<!-- changed -->")),
            ("site.ini", "\n".join(lines).format(12)),
            ("extra.txt", "another"),
        ],
        1,
    ):
        write(project / name, text)
        until(lambda: server.log.count(rolled) == number, f"{name} is noticed")
        assert str(project / name) in server.log
    until(lambda: server.metric("euryale_connections_cap") == 12, "the file is read again")
    assert server.stop() == 0


def test_hupper_calls_of_an_application_reach_the_server(reloading, project):
    imports = "\n".join(
        [
            "import hupper",
            "assert hupper.is_active()",
            f"hupper.get_reloader().watch_files([{str(project / 'page.html')!r}])",
        ]
    )
    write(project / "page.html", "one")
    write(project / "site_of_mine.py", code("one", imports))
    server = reloading()
    write(project / "page.html", "another")
    until(lambda: "all children have been replaced" in server.log, "it is started again")
    assert server.stop() == 0


def test_reload_needs_the_command(euryale, tmp_path):
    import euryale as package

    with pytest.raises(package.SettingsError, match="under hupper"):
        package.create_server(lambda environ, start: [], reload=True, listen="127.0.0.1:0")


@pytest.fixture
def hupper(tmp_path) -> Iterator[Callable[..., Served]]:
    """Start a program under hupper, with our server in its ini file."""
    running: list[Served] = []

    def start(command: list[str], ini: Path, **environment: str) -> Served:
        (port,) = free_ports(1)
        ini.write_text(ini.read_text().replace("PORT", str(port)))
        program = [str(Path(sys.executable).with_name(command[0])), *command[1:]]
        server = Served(program, tmp_path, environment)
        running.append(server)
        server.started()
        assert server.port == port
        return server

    yield start
    for server in running:
        server.process.kill() if server.process.poll() is None else None
        server.process.wait()
        server.log_file.close()


PSERVE = """
[app:main]
paste.app_factory = site_of_mine:factory
[server:main]
use = egg:euryale#main
listen = 127.0.0.1:PORT
[loggers]
keys = root
[handlers]
keys = console
[formatters]
keys = short
[logger_root]
level = INFO
handlers = console
[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = short
[formatter_short]
format = %(levelname)s %(name)s %(message)s
"""


def test_pserve_reloads_with_our_server(hupper, project):
    factory = "def factory(config, **settings):\n    return app"
    write(project / "site_of_mine.py", code("one", factory))
    ini = project / "site.ini"
    write(ini, PSERVE)
    server = hupper(["pserve", "--reload", str(ini)], ini, PYTHONPATH=str(project))
    # A kept socket does not delay the end of the old process.
    kept = server.connect()
    kept.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert kept.recv(4096)
    write(project / "site_of_mine.py", code("two", factory))

    def noticed() -> bool:
        # hupper looks for new modules once a second, and compares with what it then finds.
        (project / "site_of_mine.py").touch()
        return "changed; reloading" in server.log

    until(noticed, "hupper notices the change")

    def answers() -> bool:
        try:
            return server.ask().text == "two"
        except OSError:
            return False

    until(answers, "the new code serves")
    assert "forcefully" not in server.log, "the old process ended by itself"
    # The worker ends with hupper, even if that is killed.
    worker = int(re.findall(r"Starting monitor for PID (\d+)", server.log)[-1])
    server.process.kill()
    server.process.wait()
    until(lambda: not Path(f"/proc/{worker}").exists(), "the worker ends")


def test_zope_with_its_file_storage_is_started_again_by_hupper_after_a_change_of_zcml(
    hupper, tmp_path
):
    ini = zope_instance(tmp_path / "instance")
    write(ini, ini.read_text().replace("port = 0", "port = PORT"))
    server = hupper(["hupper", "-m", "Zope2.Startup.serve", str(ini)], ini)
    zcml = tmp_path / "instance" / "etc" / "site.zcml"

    def noticed() -> bool:
        # As above: hupper compares with what it finds at its next look.
        zcml.touch()
        return f"{zcml} changed; reloading" in server.log

    until(noticed, "hupper notices the change")
    until(lambda: server.log.count("serving on") == 2, "Zope is started again")
    assert server.ask().status == 200
