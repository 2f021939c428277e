"""``examples/plone``: its own test, and Chromium, as people use a Plone site behind nginx."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from conftest import HERE

pytestmark = pytest.mark.plone

EXAMPLE = HERE.parents[2] / "examples" / "plone"

#: The size of the largest upload.
GIGABYTE = 1_000_000_000

#: Milliseconds for anything to happen in the browser. Plone copies an upload twice.
PATIENCE = 180_000


@pytest.fixture(scope="module", autouse=True)
def nginx() -> None:
    if shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        pytest.skip("nginx is not installed")


def test_the_example_tests_itself():
    command = [sys.executable, EXAMPLE / "run.py", "--test"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0 and done.stdout.endswith("passed\n"), done.stdout[-4000:]


def module():
    spec = importlib.util.spec_from_file_location("example_of_plone", EXAMPLE / "run.py")
    module = importlib.util.module_from_spec(spec)
    # A named tuple looks its module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


example = module()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site of the example."""
    folder = tmp_path_factory.mktemp("example") / "site"
    example.create(folder)
    with example.running(folder) as site:
        yield site


@pytest.fixture(scope="module")
def browser() -> Iterator:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed")
    from playwright.sync_api import sync_playwright

    # Chromium has no sandbox for root.
    arguments = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def page(site, browser) -> Iterator:
    """A window in which the administrator has logged in, by the form."""
    with browser.new_context(base_url=site.url) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto("/login")
        page.fill("#__ac_name", "admin")
        page.fill("#__ac_password", "admin")
        page.click("#buttons-login")
        page.wait_for_selector("#edit-zone")
        yield page


def test_a_control_panel_saves_and_needs_its_token(site, page):
    page.goto("/@@site-controlpanel")
    assert page.locator("input[name=_authenticator]").count() == 1
    page.fill("#form-widgets-site_title", "Phorcys")
    page.click("#form-buttons-save")
    page.get_by_text("Changes saved").wait_for()
    assert "Phorcys" in page.title()
    # The same form without its token, in the session of the administrator.
    page.fill("#form-widgets-site_title", "Forged")
    page.evaluate("document.querySelectorAll('[name=_authenticator]').forEach(e => e.remove())")
    with page.expect_navigation():
        page.click("#form-buttons-save")
    # plone.protect has aborted the transaction.
    page.goto("/@@site-controlpanel")
    assert page.input_value("#form-widgets-site_title") == "Phorcys"


def test_a_page_is_edited_and_gets_a_picture_by_the_editor(site, page, tmp_path):
    picture = tmp_path / "euryale.png"
    picture.write_bytes(example.ask(f"{site.url}/picture/@@images/image/preview")[2])
    page.goto("/page/edit")
    editor = page.frame_locator("iframe.tox-edit-area__iframe").locator("body")
    editor.fill("Written in a browser. ")
    page.click("button[data-mce-name=ploneimage]")
    page.get_by_text("Select or Upload").last.click()
    page.locator(".content-browser button.upload").click()
    page.locator(".upload-wrapper input[type=file], input.dz-hidden-input").last.set_input_files(
        picture
    )
    page.locator(".upload-wrapper button.upload-all").click()
    page.locator(".content-browser-selected-items .selected-item").wait_for()
    page.locator(".modal-footer input[name=insert]").click()
    editor.locator("img").wait_for()
    page.click("#form-buttons-save")
    shown = page.locator("#content-core img")
    shown.wait_for()
    assert page.get_by_text("Written in a browser.").count() == 1
    page.wait_for_function("() => document.querySelector('#content-core img').naturalWidth > 0")


def test_a_gigabyte_is_uploaded_and_leaves_by_nginx(site, page, tmp_path):
    film = tmp_path / "film.bin"
    with film.open("wb") as file:
        file.write(b"first")
        file.truncate(GIGABYTE - 4)
        file.seek(0, os.SEEK_END)
        file.write(b"last")
    page.goto("/++add++File")
    page.set_input_files("#form-widgets-file-input", film)
    page.click("#form-buttons-save", no_wait_after=True)
    page.wait_for_url("**/film.bin/view")
    url = f"{site.url}/film.bin/@@download/file"
    status, headers, _ = example.ask(url, method="HEAD")
    assert (status, headers["content-length"]) == (200, str(GIGABYTE))
    for part, expected in [("bytes=0-4", b"first"), ("bytes=-4", b"last")]:
        status, headers, body = example.ask(url, Range=part)
        assert (status, body) == (206, expected)
        assert headers["content-range"].endswith(f"/{GIGABYTE}")
