"""``examples/django``, by the commands of its README."""

import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import HERE, quiet

EXAMPLE = HERE.parents[2] / "examples" / "django"


@pytest.fixture
def project(tmp_path) -> Path:
    """A copy in which the tests may make files, prepared by the README's commands."""
    folder = tmp_path / "django"
    shutil.copytree(EXAMPLE, folder)
    for command in commands():
        if "manage.py" in command:
            words = command.replace("venv/bin/python", sys.executable).split()
            subprocess.run(words, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return folder


def commands() -> list[str]:
    (block,) = re.findall(r"```sh\n(.*?)```", (EXAMPLE / "README.md").read_text(), re.DOTALL)
    return block.splitlines()


@pytest.fixture
def served(project, euryale):
    program, *arguments = commands()[-1].split()
    assert program == "venv/bin/euryale"
    return euryale("--chdir", str(project), *arguments)


def test_the_page_and_its_style_are_served(served, project):
    page = served.ask("/").text
    assert "<h1>0 visits</h1>" in page
    (path,) = re.findall(r'href="(/static/visits/page\.[0-9a-f]{12}\.css)"', page)
    before = served.metric("euryale_attempts_total")
    style = served.ask(path)
    assert style.body == (project / "visits/static/visits/page.css").read_bytes()
    assert style.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert served.metric("euryale_attempts_total") == before, "no worker was asked"


def test_each_visit_counts_once_in_spite_of_conflicts(served):
    with ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(lambda _: served.ask("/visit", "POST"), range(100)))
    assert {answer.status for answer in answers} == {200}
    assert sorted(int(answer.text) for answer in answers) == list(range(1, 101))
    assert "<h1>100 visits</h1>" in served.ask("/").text
    quiet(served)


def test_promises_hold_no_worker(served):
    with ThreadPoolExecutor(20) as clients:
        answers = list(clients.map(lambda _: served.ask("/weather"), range(20)))
    assert {answer.text for answer in answers} == {"no rain, no wind\n"}
    assert served.metric("euryale_attempts_total") >= 40, "each had two passes"
    quiet(served)
