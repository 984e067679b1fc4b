"""Page sessions and the headers around pages: pure, so their rules fit a table."""

from __future__ import annotations

import time

import pytest
import time_machine

from b24 import framing
from b24.errors import Untrusted
from b24.page_session import MAX_AGE_S, PageSession
from b24.secrets import Secrets

SECRETS = Secrets(["k" * 40])
SESSION = PageSession(7, 5, False, "event", 1040, 12, "kk")


def test_a_session_is_read_back_as_it_was() -> None:
    assert PageSession.read(SECRETS, SESSION.sign(SECRETS)) == SESSION
    assert (SESSION.actor, SESSION.item) == ("user:5", (1040, 12))
    assert PageSession(7, 5, True, "app").item is None


def test_an_old_session_is_told_from_a_forged_one() -> None:
    with time_machine.travel(time.time() - MAX_AGE_S - 2):
        old = SESSION.sign(SECRETS)
    with pytest.raises(Untrusted) as refused:
        PageSession.read(SECRETS, old)
    assert refused.value.code == "EXPIRED_TOKEN"
    assert PageSession.read(SECRETS, old, max_age_s=MAX_AGE_S * 2) == SESSION


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b.c",
        SESSION.sign(Secrets(["z" * 40])),
        SECRETS.sign({"portal_id": 7, "user_id": 5}, "page"),
        SECRETS.sign({"portal_id": 7, "run": "1", "language": "ru"}, "install"),
        SESSION.sign(SECRETS)[:-2],
    ],
    ids=["empty", "nonsense", "other-key", "incomplete", "other-purpose", "cut"],
)
def test_what_we_did_not_sign_for_a_page_is_no_session(token: str) -> None:
    with pytest.raises(Untrusted) as refused:
        PageSession.read(SECRETS, token)
    assert refused.value.code == "BAD_TOKEN"


def test_a_page_of_a_portal_is_framed_by_it_alone() -> None:
    headers = framing.headers("https://one.bitrix24.kz")
    assert headers["Content-Security-Policy"].endswith("frame-ancestors 'self' https://one.bitrix24.kz")
    assert "'unsafe-inline'" not in headers["Content-Security-Policy"]


def test_a_refusal_is_readable_in_any_frame_but_runs_nothing_foreign() -> None:
    policy = framing.headers(None)["Content-Security-Policy"]
    assert "frame-ancestors" not in policy
    assert "default-src 'self'" in policy
