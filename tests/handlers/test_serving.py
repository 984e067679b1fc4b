"""The commands of whoever runs the app: what they refuse, in words, and whose word about addresses is believed."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask, request

import app
from b24.store import migrate

ENVIRONMENT = {
    "PUBLIC_URL": "https://events.example",
    "B24_CLIENT_ID": "local.1",
    "B24_CLIENT_SECRET": "secret",
    "APP_KEYS": "k" * 40,
}
POSTGRES = "postgresql://nobody@127.0.0.1:9/nothing"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(app, "log_to_console", lambda: None)
    for name in (*ENVIRONMENT, "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.parametrize("command", [["serve", "--workers", "2"], ["worker"]])
def test_several_processes_need_postgresql(
    command: list[str], environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.main(command) == 2
    assert "PostgreSQL" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ENVIRONMENT)
def test_a_worker_needs_the_environment_of_serve(
    missing: str, environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("DATABASE_URL", POSTGRES)
    environment.delenv(missing)
    assert app.main(["worker"]) == 2
    assert missing in capsys.readouterr().err


def test_a_worker_serves_no_phones(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("DATABASE_URL", POSTGRES)
    for name in ENVIRONMENT:
        environment.delenv(name)
    assert app.main(["worker"]) == 2
    assert "environment of serve" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["serve"], ["serve", "--workers", "2"], ["worker"]])
def test_a_database_that_is_away_is_said_in_words(
    command: list[str], environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("DATABASE_URL", POSTGRES)
    assert app.main(command) == 1
    assert "the database does not answer" in capsys.readouterr().err


def test_tables_go_back_and_an_older_version_says_that_they_are_newer(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.main(["migrate"]) == 0
    assert app.main(["migrate", "--to", "0001"]) == 0
    assert [line[-4:] for line in capsys.readouterr().out.splitlines()] == [migrate.head(), "0001"]
    with pytest.raises(SystemExit):
        app.main(["migrate", "--to", "base"])
    environment.setattr(migrate, "revisions", lambda: ("0000",))
    for command in (["serve"], ["migrate"]):
        assert app.main(command) == 1
        assert "newer version" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("proxy", "peer", "seen"),
    [
        ("10.0.0.1", "10.0.0.1", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        (None, "10.0.0.1", "10.0.0.1"),
    ],
)
def test_addresses_are_believed_from_the_proxy_alone(proxy: str | None, peer: str, seen: str) -> None:
    web = Flask("web")
    web.add_url_rule("/", view_func=lambda: request.remote_addr or "")
    web.wsgi_app = app._behind(proxy, web.wsgi_app)  # type: ignore[method-assign]
    # What the guest claims stands before what the proxy adds.
    headers = {"X-Forwarded-For": "192.0.2.1, 203.0.113.9"}
    reply = web.test_client().get("/", headers=headers, environ_base={"REMOTE_ADDR": peer})
    assert reply.text == seen
