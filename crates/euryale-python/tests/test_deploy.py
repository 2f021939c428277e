"""The recipes of ``deploy`` for WSGI applications, which no test can follow: their syntax and names."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import HERE, free_ports
from euryale import _euryale

DEPLOY = HERE.parents[2] / "deploy"

UNITS = ["euryale-wsgi@.service", "euryale-wsgi@.socket"]

IMAGE = DEPLOY / "docker" / "wsgi.Dockerfile"


def test_systemd_finds_nothing_in_the_units(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    program = str(Path(sys.executable).with_name("euryale"))
    for name in UNITS:
        text = (DEPLOY / "systemd" / name).read_text()
        # An instance, whose program and user are here.
        text = text.replace("/srv/%i/venv/bin/euryale", program)
        text = text.replace("User=%i", "User=root").replace("=/srv/%i", f"={tmp_path}")
        (tmp_path / name.replace("@", "@shop")).write_text(text)
    units = [tmp_path / name.replace("@", "@shop") for name in UNITS]
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *units]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "euryale-wsgi@" not in done.stderr, done.stderr


@pytest.mark.parametrize("path", [DEPLOY / "systemd" / UNITS[0], IMAGE], ids=lambda path: path.name)
def test_variables_in_recipes_are_settings(path):
    known = {key.upper() for key, alias, _, _ in _euryale.settings()}
    known |= {alias.upper() for _, alias, _, _ in _euryale.settings() if alias}
    named = set(re.findall(r"EURYALE_([A-Z_]+)", path.read_text()))
    assert named and named <= known


def test_the_health_check_of_the_image_tells_a_ready_server(euryale):
    server = euryale("plain:app")
    (command,) = re.findall(r"^HEALTHCHECK .* CMD (\[.*\])$", IMAGE.read_text(), re.MULTILINE)
    program, *arguments = json.loads(command)
    assert program == "python"
    for port, status in [(server.admin, 0), (free_ports(1)[0], 1)]:
        asked = [argument.replace(":8081/", f":{port}/") for argument in arguments]
        done = subprocess.run([sys.executable, *asked], capture_output=True)
        assert done.returncode == status


def test_the_image_is_built_from_what_is_in_the_context():
    lines = IMAGE.read_text().replace("\\\n", " ").splitlines()
    lines = [line for line in lines if line and not line.startswith("#")]
    instructions = [line.split()[0] for line in lines]
    assert set(instructions) <= {
        *("FROM", "RUN", "WORKDIR", "COPY", "USER", "ENV", "EXPOSE"),
        *("HEALTHCHECK", "STOPSIGNAL", "ENTRYPOINT", "CMD"),
    }
    stages = [line.split()[-1] for line in lines if line.startswith("FROM") and " AS " in line]
    # The folder of the application is a context with a name.
    sources = re.findall(r"^COPY --from=(\S+)", "\n".join(lines), re.MULTILINE)
    assert set(sources) == {*stages, "app"}
    context = (DEPLOY.parent / ".dockerignore").read_text().splitlines()
    assert "!crates" in context and (DEPLOY.parent / "crates" / "euryale-python").is_dir()
    assert instructions.index("USER") < instructions.index("ENTRYPOINT")
