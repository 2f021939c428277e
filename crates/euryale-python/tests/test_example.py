"""`examples/wsgi`, as its README says."""

from concurrent.futures import ThreadPoolExecutor

from conftest import HERE

EXAMPLE = HERE.parents[2] / "examples" / "wsgi"


def test_the_example_is_served(euryale):
    server = euryale("hello:app", "--chdir", str(EXAMPLE), "--threads", "2")
    assert "<title>Hello" in server.ask("/").text
    assert server.ask("/upload", "POST", b"x" * 1000).text == "1000 bytes\n"
    assert server.ask("/download").body == (EXAMPLE / "hello.py").read_bytes()
    assert server.ask("/nothing").status == 404


def test_its_counter_counts_each_request_once(euryale):
    server = euryale("counter:app", "--threads", "2", PYTHONPATH=str(EXAMPLE))
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda _: server.ask("/", "POST"), range(40)))
    assert {answer.status for answer in answers} == {200}
    assert sorted(int(answer.text) for answer in answers) == list(range(1, 41))


def test_its_settings_are_valid(euryale):
    config = str(EXAMPLE / "settings.toml")
    server = euryale("hello:app", "--chdir", str(EXAMPLE), "--config", config)
    assert server.metric("euryale_connections_cap") == 2


def test_its_later_pages_hold_no_worker(euryale):
    server = euryale("later:app", "--chdir", str(EXAMPLE), "--threads", "1")
    lines = server.ask("/promises").text.split("\n")
    assert [line.split()[0] for line in lines] == ["rain", "wind", "sun"]
    assert server.ask("/shared").text == server.ask("/shared").text
    assert server.ask("/deferred").text.startswith("report ")
    assert server.ask("/stream").text.split("\n")[-2] == "row 4"
    assert server.ask("/after").status == 202
    assert server.ask("/conflict").text == "attempt 2\n"
    assert server.ask("/nothing").status == 404
