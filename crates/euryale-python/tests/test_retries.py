"""Another attempt after a conflict, with ``euryale.Again``."""

import http.client
import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from conftest import quiet, until

CLIENTS = 8
EACH = 15


def test_nothing_but_conflicts_fails_no_request(euryale):
    server = euryale("conflicts:app", "--threads", "2")
    with ThreadPoolExecutor(CLIENTS) as clients:
        answers = list(clients.map(lambda _: server.ask("/count", "POST"), range(CLIENTS * EACH)))
    assert {answer.status for answer in answers} == {200}
    assert sorted(int(answer.text) for answer in answers) == list(range(1, CLIENTS * EACH + 1))
    assert int(server.ask("/value").text) == CLIENTS * EACH
    assert server.metric('euryale_conflicts_total{outcome="resolved",route=""}') > 0
    assert server.stop() == 0


def test_a_pause_holds_no_worker(euryale):
    server = euryale("conflicts:app", "--threads", "1")

    def seen(number: int) -> bool:
        """Whether no worker was busy while a request had not been answered."""
        begun = server.metric("euryale_attempts_total")
        asking = clients.submit(server.ask, f"/thrice?{number}", "POST", b"body")
        found = False
        while not asking.done():
            is_paused = server.metric("euryale_publishers_running") == 0
            attempts = server.metric("euryale_attempts_total") - begun
            found |= is_paused and 0 < attempts < 4 and not asking.done()
        assert (asking.result().status, asking.result().text) == (200, "body")
        return found

    numbers = count()
    with ThreadPoolExecutor(1) as clients:
        until(lambda: seen(next(numbers)), "a pause without a worker")
    assert server.stop() == 0


@pytest.mark.parametrize("retries", [0, 3])
def test_a_conflict_that_stays_is_answered_503(euryale, retries):
    server = euryale("conflicts:app", "--conflict-retries", str(retries))
    answer = server.ask("/always")
    assert answer.status == 503
    assert "Retry-After" in answer.headers
    assert int(server.ask("/calls").text) == retries + 1
    until(lambda: "a conflict was not resolved" in server.log, "it is logged")
    assert server.stop() == 0
    assert "another transaction won" in server.log, "the cause is in the log"


def test_a_conflict_after_the_first_block_is_retried_only_if_nothing_has_left(euryale):
    server = euryale("conflicts:app")
    assert server.ask("/late").status == 503
    assert int(server.ask("/calls").text) == 4
    early = euryale("conflicts:app", "--early-answers", "on")
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        early.ask("/late")
    assert int(early.ask("/calls").text) == 1
    assert early.stop() == 0


@pytest.mark.parametrize("place", ["before", "after", "iterable"])
@pytest.mark.parametrize("what", ["conflict", "error"])
def test_each_pass_ends_cleanly_by_conflicts_and_errors(euryale, what, place):
    server = euryale("conflicts:app", "--threads", "1")
    answer = server.ask(f"/passes?{what}+{place}")
    attempts = int(server.metric("euryale_attempts_total"))
    promised, made, closed = map(int, server.ask("/passed").text.split())
    if what == "conflict":
        assert (answer.status, answer.text, attempts) == (200, "promised", 3)
        assert made == (2 if place == "iterable" else 1)
    else:
        assert (answer.status, attempts) == (500, 1 if place == "before" else 2)
        assert made == (1 if place == "iterable" else 0)
    assert closed == made, "each iterable is closed once"
    assert promised == (0 if (what, place) == ("error", "before") else 1), "it is kept"
    quiet(server)
    assert server.stop() == 0


def test_django_conflicts_are_retried_for_the_methods_of_the_settings(euryale):
    server = euryale("frameworks:atomic_app", "--factory", "--threads", "2")
    with ThreadPoolExecutor(CLIENTS) as clients:
        answers = clients.map(lambda _: server.ask("/add", "POST").status, range(CLIENTS * EACH))
        assert set(answers) == {200}
    assert json.loads(server.ask("/state").body)["value"] == CLIENTS * EACH
    assert server.metric("euryale_attempts_total") > CLIENTS * EACH + 1, "there were conflicts"
    # A request with another method has one attempt, and so has a page that is rendered later.
    for method, path in [("PUT", "/raise"), ("POST", "/render"), ("POST", "/alone")]:
        before = server.metric("euryale_attempts_total")
        assert server.ask(path, method).status == 500, path
        assert server.metric("euryale_attempts_total") - before == 1, path
    assert server.ask("/raise", "POST").status == 503
    assert server.stop() == 0


def conflict(cause: Exception, *arguments) -> Exception:
    from django.db import OperationalError

    error = OperationalError(*arguments)
    error.__cause__ = cause
    return error


def test_conflicts_of_databases_have_their_codes():
    from euryale.django import is_conflict

    class Other(Exception):
        sqlstate = None
        pgcode = None

    def coded(**codes) -> Exception:
        cause = Other()
        for name, code in codes.items():
            setattr(cause, name, code)
        return cause

    assert is_conflict(conflict(coded(sqlstate="40001")))
    assert is_conflict(conflict(coded(pgcode="40P01")))
    assert is_conflict(conflict(Other(), 1213, "Deadlock found when trying to get lock"))
    assert not is_conflict(conflict(coded(sqlstate="57014")))
    assert not is_conflict(conflict(Other(), 2006, "MySQL server has gone away"))
    assert not is_conflict(conflict(sqlite3.OperationalError("no such table: t")))
    assert not is_conflict(ValueError(1213))
