"""Encryption at rest, signed tokens, and what is masked in logs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from b24.errors import SetupMissing, Untrusted
from b24.forms import parse_form
from b24.redact import MASK, redact, redact_text
from b24.secrets import Secrets
from tests.recordings import names, post

OLD, NEW = "o" * 40, "n" * 40
NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def test_text_is_encrypted_and_comes_back() -> None:
    box = Secrets([NEW])
    kept = box.encrypt("токен")
    assert "токен" not in kept
    assert kept != box.encrypt("токен")
    assert box.decrypt(kept) == "токен"


def test_rotation_still_reads_and_verifies_what_the_old_key_made() -> None:
    old, both, new = Secrets([OLD]), Secrets([NEW, OLD]), Secrets([NEW])
    assert both.decrypt(old.encrypt("x")) == "x"
    assert new.decrypt(both.encrypt("x")) == "x"
    assert both.unsign(old.sign({"a": 1}, "page"), "page", 60) == {"a": 1}
    assert new.unsign(both.sign({"a": 1}, "page"), "page", 60) == {"a": 1}


def test_lost_key_is_a_matter_of_setup() -> None:
    with pytest.raises(SetupMissing):
        Secrets([NEW]).decrypt(Secrets([OLD]).encrypt("x"))


@pytest.mark.parametrize("keys", [[], ["short"], [NEW, "short"]])
def test_short_key_is_refused(keys: list[str]) -> None:
    with pytest.raises(ValueError, match="secret keys"):
        Secrets(keys)


def test_new_key_is_good_enough() -> None:
    box = Secrets([Secrets.new_key()])
    assert box.decrypt(box.encrypt("x")) == "x"
    assert Secrets.new_key() != Secrets.new_key()


def test_signed_token_is_bound_to_its_purpose_and_untampered() -> None:
    box = Secrets([NEW])
    token = box.sign({"portal": 1, "user": 5}, "page")
    assert box.unsign(token, "page", 60) == {"portal": 1, "user": 5}
    for bad in (token + "x", token[:-1], "", "a.b.c", Secrets([OLD]).sign({"portal": 1}, "page")):
        with pytest.raises(Untrusted):
            box.unsign(bad, "page", 60)
    with pytest.raises(Untrusted):
        box.unsign(token, "enrolment", 60)


def test_signed_token_ends() -> None:
    box = Secrets([NEW])
    with time_machine.travel(NOW, tick=False):
        token = box.sign({}, "page")
    with time_machine.travel(NOW + timedelta(seconds=1799), tick=False):
        assert box.unsign(token, "page", 1800) == {}
    with time_machine.travel(NOW + timedelta(seconds=1801), tick=False), pytest.raises(Untrusted) as caught:
        box.unsign(token, "page", 1800)
    assert caught.value.code == "EXPIRED_TOKEN"


@pytest.mark.parametrize(
    ("one", "other", "same"), [("a", "a", True), ("a", "b", False), ("", "", True), ("я", "я", True)]
)
def test_secrets_are_compared(one: str, other: str, same: bool) -> None:
    assert Secrets.equal(one, other) is same


@pytest.mark.parametrize("name", [name for name in names("events") if b"token" in post(name).body.lower()])
def test_no_token_of_a_recorded_call_survives_masking(name: str) -> None:
    recorded = post(name)
    form = parse_form(recorded.body)
    tokens = [
        value
        for key, value in [*form.items(), *(form.get("auth") or {}).items()]
        if isinstance(value, str)
        and key.lower()
        in {"access_token", "refresh_token", "application_token", "auth_id", "refresh_id", "event_token"}
    ]
    masked = json.dumps(redact(form)) + redact_text(recorded.body.decode())
    assert tokens
    for token in tokens:
        assert token not in masked
    assert "member_id" in masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("https://p.example/rest/1/abc123def/crm.item.add", f"https://p.example/rest/1/{MASK}/crm.item.add"),
        (
            "https://p.example/rest/crm.item.add?auth=abc&id=1",
            f"https://p.example/rest/crm.item.add?auth={MASK}&id=1",
        ),
        ("GET /t/AbCdEfGhIjKlMnOpQrStUv/qr.svg", f"GET /t/{MASK}/qr.svg"),
        ('{"refresh_token":"abc","id":1}', f'{{"refresh_token":"{MASK}","id":1}}'),
        ("client_id=x&client_secret=abc", f"client_id=x&client_secret={MASK}"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_secrets_in_texts_are_masked(text: str, masked: str) -> None:
    assert redact_text(text) == masked


def test_personal_values_are_masked_and_shape_is_kept() -> None:
    kept = redact(
        {"fields": {"TITLE": "Сделка", "NAME": "Анна", "EMAIL": [{"VALUE": "a@b.c"}], "id": 7, "PHONE": ""}}
    )
    assert kept == {"fields": {"TITLE": "Сделка", "NAME": MASK, "EMAIL": MASK, "id": 7, "PHONE": ""}}
