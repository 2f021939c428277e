"""The commands of the READMEs, as they are written there."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import HERE, Served

ROOT = HERE.parents[2]

#: A release build takes minutes. The commands are the same.
BUILD = {"MATURIN_PEP517_ARGS": "--profile dev --locked"}


def commands(readme: Path) -> list[str]:
    """The lines of the first block that installs with pip."""
    blocks = re.findall(r"```sh\n(.*?)```", readme.read_text(), re.DOTALL)
    block = next(block for block in blocks if "pip install" in block)
    return block.strip().splitlines()


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A checkout in which a test may make folders: the crates are links to this one's."""
    (tmp_path / "crates").symlink_to(ROOT / "crates")
    shutil.copytree(ROOT / "examples" / "wsgi", tmp_path / "examples" / "wsgi")
    return tmp_path


def run(command: str, folder: Path) -> None:
    # Debian's `python3` and a virtual environment's make the same.
    command = command.replace("python3 ", f"{sys.executable} ", 1)
    target = os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target"))
    environment = {**os.environ, **BUILD, "CARGO_TARGET_DIR": target}
    subprocess.run(["sh", "-ec", command], cwd=folder, env=environment, check=True)


def test_the_example_is_installed_and_served_as_its_readme_says(pypi, checkout, tmp_path):
    folder = checkout / "examples" / "wsgi"
    *install, serve = commands(folder / "README.md")
    assert [line.split()[0] for line in [*install, serve]] == [
        "python3",
        "venv/bin/pip",
        "venv/bin/euryale",
    ]
    for command in install:
        run(command, folder)
    program, *arguments = serve.split()
    # Another program may have the port of the README.
    served = [str(folder / program), *arguments, "--listen", "127.0.0.1:0"]
    server = Served(served, folder, {"PYTHONPATH": ""}).started()
    try:
        assert "<title>Hello" in server.ask("/").text
        assert server.ask("/download").body == (folder / "hello.py").read_bytes()
    finally:
        assert server.stop() == 0


def test_the_package_is_installed_as_the_crates_readme_says(pypi, checkout):
    install = commands(checkout / "crates" / "euryale-python" / "README.md")
    assert [line.split()[0] for line in install] == ["python3", "venv/bin/pip"]
    for command in install:
        run(command, checkout)
    version = [checkout / "venv" / "bin" / "euryale", "--version"]
    said = subprocess.run(version, capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"euryale \d+\.\d+\.\d+\n", said)


def module(folder: Path, what: str) -> None:
    """Writes the block of Python that has this text as the module `example`."""
    readme = (ROOT / "crates" / "euryale-python" / "README.md").read_text()
    (block,) = (
        block for block in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if what in block
    )
    (folder / "example.py").write_text("import sqlite3\nimport euryale\n" + block)


def test_the_page_of_tiles_is_composed(euryale, tmp_path):
    module(tmp_path, "tiles/news")
    server = euryale("example:page", "--tiles=/tiles", f"--chdir={tmp_path}")
    assert "<p>Nothing new.</p>" in server.ask("/").text
    assert server.stop() == 0


def test_the_stream_of_rows_is_sent(euryale, tmp_path):
    module(tmp_path, "def rows")
    with sqlite3.connect(tmp_path / "visits.sqlite3") as database:
        database.execute("create table visits (id, place)")
        database.executemany("insert into visits values (?, ?)", [(1, b"here"), (2, b"there")])
    server = euryale("example:app", f"--chdir={tmp_path}")
    answer = server.ask("/")
    assert (answer.text, answer.headers["Content-Type"]) == ("1;here\n2;there\n", "text/csv")
    assert server.stop() == 0


def test_the_guide_installs_plone_as_its_example_does():
    guide = ROOT / "crates" / "euryale" / "src" / "guide" / "plone_in_ten_minutes.md"
    *install, start = commands(ROOT / "examples" / "plone" / "README.md")
    assert commands(guide) == install
    assert f"```sh\n{start}\n```" in guide.read_text()


def test_the_conformance_table_has_the_numbers_of_the_tests():
    from test_conformance import SEQUENCES, TABLE

    readme = (ROOT / "crates" / "euryale-python" / "README.md").read_text()
    table = readme.split("## Conformance", 1)[1].split("\n\n", 3)[2]
    counts = [int(count) for count in re.findall(r"^\|[^|]+\| (\d+) \|", table, re.MULTILINE)]
    assert sum(counts[:-1]) == len(TABLE)
    assert counts[-1] == len(SEQUENCES)
