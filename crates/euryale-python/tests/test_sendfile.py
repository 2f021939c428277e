"""Files that an application names in X-Sendfile and X-Accel-Redirect, and that we send."""

from pathlib import Path
from urllib.parse import quote

import pytest

import euryale as package
from conftest import Answer, Served, quiet, until

BYTES = b"0123456789"

ORDERS = ("x-sendfile", "x-accel-redirect")


@pytest.fixture
def media(tmp_path) -> Path:
    (tmp_path / "secret.pdf").write_text("secret")
    media = tmp_path / "media files"
    (media / "deep").mkdir(parents=True)
    for name in ["a.pdf", "ü b.pdf", "100%25.pdf", "deep/a.pdf"]:
        (media / name).write_bytes(BYTES)
    (media / "link.pdf").symlink_to(tmp_path / "secret.pdf")
    return media


@pytest.fixture
def served(euryale, media) -> Served:
    return euryale("orders:app", "--sendfile", f"/protected={media}", "--threads", "2")


def ask(server: Served, page: str, field: str, value: str, **arguments) -> Answer:
    value = value.replace(" ", "+")
    answer = server.ask(f"/{page}?{field}={value}", **arguments)
    assert not [order for order in ORDERS if order in answer.headers]
    return answer


@pytest.mark.parametrize("page", ["named", "django", "werkzeug", "blocks", "deferred"])
@pytest.mark.parametrize("early", ["off", "on"])
def test_the_named_file_is_sent_in_place_of_the_answer(euryale, media, page, early):
    server = euryale("orders:app", "--sendfile", f"/protected={media}", "--early-answers", early)
    for field, value in [
        ("X-Accel-Redirect", "/protected/a.pdf"),
        ("X-Accel-Redirect", "/protected/deep/a.pdf"),
        ("X-Sendfile", f"{media}/a.pdf"),
    ]:
        answer = ask(server, page, field, value)
        assert (answer.status, answer.body) == (200, BYTES)
        assert answer.headers["content-type"] == "application/pdf"
        assert answer.headers["content-length"] == "10"
        assert "content-range" not in answer.headers
    sent = 'euryale_blob_bytes_total{path="sendfile"}'
    until(lambda: server.metric(sent) == 3 * len(BYTES), "all bytes left by sendfile")
    assert "ERROR" not in server.log and "announced" not in server.log
    quiet(server)


def test_ranges_conditions_and_heads_are_answered_from_the_file(served):
    order = ("X-Accel-Redirect", "/protected/a.pdf")
    for page in ["named", "werkzeug"]:
        part = ask(served, page, *order, headers={"Range": "bytes=2-4"})
        assert (part.status, part.body) == (206, BYTES[2:5])
        assert part.headers["content-range"] == "bytes 2-4/10"
    head = ask(served, "named", *order, method="HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "10")
    # The application's own validator counts.
    unchanged = ask(served, "named", *order, headers={"If-None-Match": '"mine"'})
    assert (unchanged.status, unchanged.body) == (304, b"")
    own = ask(served, "django", *order)
    unchanged = ask(served, "django", *order, headers={"If-None-Match": own.headers["etag"]})
    assert unchanged.status == 304
    stale = ask(served, "named", *order, headers={"If-Range": '"other"', "Range": "bytes=2-4"})
    assert (stale.status, stale.body) == (200, BYTES)
    quiet(served)


def test_other_statuses_keep_their_meaning(served):
    order = ("X-Accel-Redirect", "/protected/a.pdf")
    forbidden = ask(served, "forbidden", *order, headers={"Range": "bytes=2-4"})
    assert (forbidden.status, forbidden.body) == (403, BYTES)
    unchanged = ask(served, "unchanged", *order)
    assert (unchanged.status, unchanged.body) == (304, b"")


def test_names_are_found_encoded_and_as_they_are(served, media):
    for field, value in [
        ("X-Accel-Redirect", "/protected/" + quote("ü b.pdf")),
        ("X-Accel-Redirect", "/protected/" + quote("100%25.pdf")),
        ("X-Sendfile", f"{media}/100%25.pdf"),
        ("X-Sendfile", f"{media}/" + quote("ü b.pdf")),
    ]:
        answer = ask(served, "named", field, value)
        assert (answer.status, answer.body) == (200, BYTES), value


def test_a_folder_may_be_named_by_a_link_or_by_its_own_path(euryale, media, tmp_path):
    current = tmp_path / "current"
    current.symlink_to(media)
    server = euryale("orders:app", "--sendfile", f"/protected={current}")
    for folder in [current, media]:
        assert ask(server, "named", "X-Sendfile", f"{folder}/a.pdf").body == BYTES


@pytest.mark.parametrize(
    "field, value",
    [
        ("X-Sendfile", "/etc/passwd"),
        ("X-Sendfile", "{media}/../secret.pdf"),
        ("X-Sendfile", "{media}/%2e%2e/secret.pdf/.."),
        ("X-Sendfile", "{media}"),
        ("X-Sendfile", "/protected/a.pdf"),
        ("X-Accel-Redirect", "/etc/passwd"),
        ("X-Accel-Redirect", "/protected/../secret.pdf"),
        ("X-Accel-Redirect", "/protected/%2e%2e/secret.pdf"),
        ("X-Accel-Redirect", "/protected/a.pdf%00"),
        ("X-Accel-Redirect", "{media}/a.pdf"),
        ("X-Accel-Redirect", "@named"),
    ],
)
def test_a_name_outside_is_an_error_with_one_line_in_the_log(served, media, field, value):
    answer = ask(served, "named", field, value.format(media=media))
    assert (answer.status, answer.body) == (500, b"Internal Server Error\n")
    until(lambda: "no folder of the setting sendfile has" in served.log, "the line in the log")
    assert served.log.count("ERROR") == 1
    assert "secret" not in answer.text


def test_files_that_do_not_exist_and_links_are_not_found(served, media):
    for value in ["/protected/missing.pdf", "/protected/link.pdf", "/protected/deep"]:
        answer = ask(served, "named", "X-Accel-Redirect", value)
        assert (answer.status, answer.body) == (404, b"Not Found\n")
        until(lambda: f'there is no file X-Accel-Redirect: "{value}"' in served.log, "a line")


def test_without_the_setting_no_file_is_sent(euryale, media):
    server = euryale("orders:app")
    for field, value in [("X-Sendfile", f"{media}/a.pdf"), ("X-Accel-Redirect", "/protected/a")]:
        assert ask(server, "named", field, value).status == 500


def test_a_missing_folder_ends_the_start():
    with pytest.raises(package.SettingsError, match="sendfile: /nowhere: No such file"):
        package.create_server(
            lambda *_: [], listen="127.0.0.1:0", sendfile="/protected=/nowhere"
        )
