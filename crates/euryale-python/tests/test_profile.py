"""Profiles of calls, for development."""

import pstats
import re
from pathlib import Path

import pytest

import euryale as package
from conftest import Served, until


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "profiles"
    folder.mkdir()
    return folder


@pytest.fixture
def served(euryale, folder) -> Served:
    server = euryale("plain:app", "--profile", str(folder))
    (server.log_path.parent / "big.bin").write_bytes(b"0123456789")
    return server


def profiles(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    "page, function",
    [
        ("ran", "page_ran"),
        ("generator", "<genexpr>"),
        ("file", "page_file"),
        ("raises", "page_raises"),
    ],
)
def test_each_call_has_a_file_with_its_functions(served, folder, page, function):
    served.ask("/" + page)
    (name,) = until(lambda: profiles(folder), "the profile")
    assert re.fullmatch(rf"\d{{8}}-\d{{6}}-000001-GET-{page}-\d+ms\.prof", name)
    functions = {key[2] for key in pstats.Stats(str(folder / name)).stats}
    assert function in functions


def test_only_the_last_files_and_no_others_are_removed(served, folder):
    (folder / "mine.prof").touch()
    (folder / "20200101-000000-000001-GET-old-1ms.prof").touch()
    for _ in range(201):
        assert served.ask("/../x").status == 200
    names = profiles(folder)
    assert len(names) == 201 and names[-1] == "mine.prof"
    assert not [name for name in names if "-old-" in name or "-000001-" in name]


def test_a_missing_folder_ends_the_start():
    with pytest.raises(package.SettingsError, match="profile: /nowhere: No such file"):
        package.create_server(lambda *_: [], listen="127.0.0.1:0", profile="/nowhere")


def test_an_answer_is_sent_although_its_profile_cannot_be_written(served, folder):
    folder.rmdir()
    answer = served.ask("/ran")
    assert (answer.status, answer.text) == (200, "0")
    until(lambda: "no profile: " in served.log, "the line in the log")
