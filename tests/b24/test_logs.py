"""Every line is one JSON object with its portal, and tells no secrets."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest

from b24 import logs
from b24.logs import JsonLines
from handlers.privacy import mask_path


def line(message: str, *args: object, error: BaseException | None = None) -> dict[str, Any]:
    exc_info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("ours", logging.WARNING, __file__, 1, message, args, exc_info)
    written = JsonLines(mask_path).format(record)
    assert "\n" not in written
    return dict(json.loads(written))


@pytest.fixture(autouse=True)
def nobody() -> None:
    logs.about(None)


def test_a_line_says_when_how_bad_who_and_what() -> None:
    found = line("waits: %s", "Встреча")
    assert found.pop("at").endswith("+00:00")
    assert found == {"level": "WARNING", "logger": "ours", "portal": None, "message": "waits: Встреча"}


def test_the_portal_is_on_every_line_of_its_work_and_on_no_other() -> None:
    with logs.of_portal(7):
        assert line("a")["portal"] == 7
        with logs.of_portal(8):
            assert line("a")["portal"] == 8
        assert line("a")["portal"] == 7
    assert line("a")["portal"] is None
    logs.about(9)
    assert line("a")["portal"] == 9


SECRET = "aB3dE5fG7hJ9kL1mN3pQ5r"


@pytest.mark.parametrize(
    "said",
    [
        f"GET /t/{SECRET}/qr.svg",
        f"GET /scan/{SECRET}",
        f"GET /r/spring?i={SECRET}",
        f"POST https://a.bitrix24.ru/rest/1/{SECRET}/crm.item.add",
        f"body: auth={SECRET}&id=1",
        f'{{"refresh_token": "{SECRET}"}}',
    ],
)
def test_secrets_are_masked_in_messages_and_in_errors(said: str) -> None:
    assert SECRET not in json.dumps(line("%s", said))
    try:
        raise ValueError(said)
    except ValueError as error:
        found = line("broke", error=error)
    assert "Traceback" in found["error"]
    assert SECRET not in found["error"]


def test_what_a_database_quotes_of_a_row_is_masked() -> None:
    said = "duplicate key\nDETAIL:  Key (email)=(anna@example.com) already exists."
    assert "anna" not in line("%s", said)["message"]


def test_lines_of_an_exception_handler_carry_their_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    log = logging.getLogger("ours.once")
    log.addHandler(handler)
    try:
        raise LookupError("gone")
    except LookupError:
        log.exception("broke")
    finally:
        log.removeHandler(handler)
    assert json.loads(capsys.readouterr().out)["error"].endswith("LookupError: gone")
