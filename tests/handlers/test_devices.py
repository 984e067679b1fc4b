"""Enrolling phones, their pages, the description of the API, errors."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from b24.store.engine import Store
from handlers import openapi
from placements.scanner_words import _WORDS, LANGUAGES, words
from smart_process import devices, door_words
from smart_process.store import tables as t
from tests.door import NOW, Door, at_once, open_door


@pytest.fixture
def door(store: Store) -> Door:
    return open_door(store)


@pytest.fixture
def postgres_door(postgres_store: Store) -> Door:
    return open_door(postgres_store)


def enrol(door: Door, code: Any, name: Any = "Вход 2, Айгуль") -> Any:
    return door.web.post("/api/v1/devices", json={"enrol_code": code, "name": name})


def test_a_code_enrols_a_phone_and_the_token_works(door: Door) -> None:
    reply = enrol(door, door.code(gates=["entrance", "hall"], role="supervise"))
    assert reply.status_code == 201
    device = reply.json
    assert (device["gates"], device["role"], device["name"]) == (
        ["entrance", "hall"],
        "supervise",
        "Вход 2, Айгуль",
    )
    assert device["expires_at"] == "2026-11-22T18:05:00+05:00"
    assert (device["event"]["title"], device["event"]["product_lines"]) == (
        "Партнёрская конференция",
        ["CRM", "Телефония"],
    )
    token = device.pop("device_token")
    again = door.web.get("/api/v1/device", headers={"Authorization": f"Bearer {token}"})
    assert again.json == device


def test_codes_and_tokens_are_kept_as_hashes_only(door: Door) -> None:
    code = door.code()
    token = enrol(door, code).json["device_token"]
    with door.store.reading() as tx:
        kept = str(tx.execute(sa.select(t.enrolment)).all()) + str(tx.execute(sa.select(t.device)).all())
    assert code not in kept
    assert token not in kept
    assert len(code) == 22


def test_a_phone_enrolled_after_the_event_still_works_half_a_day(door: Door) -> None:
    door.now = NOW + timedelta(days=30)
    assert enrol(door, door.code()).json["expires_at"] == "2026-12-21T21:05:00+05:00"


def test_a_code_ends_with_its_uses_and_its_hours(door: Door) -> None:
    code = door.code(uses=2, hours=1)
    assert [enrol(door, code).status_code for _ in range(3)] == [201, 201, 410]
    late = door.code(hours=1)
    door.now += timedelta(hours=1)
    refused = enrol(door, late)
    assert (refused.status_code, refused.json["type"]) == (410, "urn:event-app:problem:code-expired")


def test_the_last_use_goes_to_one_of_two_phones_at_once(postgres_door: Door) -> None:
    code = postgres_door.code(uses=1)
    replies = at_once(*[partial(enrol, postgres_door, code)] * 4)
    assert sorted(reply.status_code for reply in replies) == [201, 410, 410, 410]


@pytest.mark.parametrize(
    ("code", "name"),
    [("", "x"), (None, "x"), (5, "x"), ("x", ""), ("x", None), ("x", "y" * 65), ("x", "\u0000"), ({}, [])],
)
def test_an_unreadable_enrolment_is_400(door: Door, code: Any, name: Any) -> None:
    assert enrol(door, code, name).status_code == 400


def test_wrong_codes_are_404_and_soon_429(door: Door) -> None:
    statuses = [enrol(door, f"wrong{n}").status_code for n in range(31)]
    assert statuses == [404] * 30 + [429]
    good = door.code()
    assert enrol(door, good).status_code == 429
    assert door.web.get("/scan/whatever").status_code == 429
    door.now += timedelta(minutes=2)
    assert enrol(door, good).status_code == 201


@pytest.mark.parametrize(
    "wish", [{"role": "admin"}, {"uses": 0}, {"hours": 0}], ids=["role", "uses", "hours"]
)
def test_an_enrolment_that_makes_no_sense_is_not_made(door: Door, wish: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="role"):
        door.code(**wish)


def test_an_enrolment_needs_an_event(door: Door) -> None:
    with door.store.transaction() as tx, pytest.raises(LookupError):
        devices.create_enrolment(tx, 999, gates=[], by="user:1", now=NOW)


def everything(door: Door) -> list[Any]:
    with door.store.reading() as tx:
        return [tx.execute(sa.select(table)).all() for table in (t.enrolment, t.device, t.scan, t.fact)]


@pytest.mark.parametrize("method", ["get", "head"])
def test_the_enrol_page_tells_and_changes_nothing(door: Door, method: str) -> None:
    code = door.code(uses=1)
    before = everything(door)
    for _ in range(3):
        reply = getattr(door.web, method)(f"/scan/{code}")
        assert reply.status_code == 200
    assert everything(door) == before
    if method == "get":
        assert "Партнёрская конференция" in reply.text
        assert "21.11.2026 09:00" in reply.text


@pytest.mark.parametrize("path", ["/scan/", "/scan/{code}", "/scan/wrong"])
def test_scanner_pages_are_private_and_load_nothing_foreign(door: Door, path: str) -> None:
    reply = door.web.get(path.format(code=door.code()))
    headers = reply.headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Robots-Tag"] == "noindex"
    assert headers["Permissions-Policy"] == "camera=(self)"
    assert "'wasm-unsafe-eval'" in headers["Content-Security-Policy"]
    assert "unsafe-inline" not in headers["Content-Security-Policy"]
    assert "Set-Cookie" not in headers
    assert not re.search(r"""(src|href)="(https?:)?//|style="|<style|\son\w+=""", reply.text)


@pytest.mark.parametrize(
    ("header", "title"),
    [("", "Телефон не подключён"), ("en", "This phone is not"), ("kk", "Телефон қосылмаған")],
)
def test_a_useless_link_says_why_in_the_language_of_the_phone(door: Door, header: str, title: str) -> None:
    reply = door.web.get("/scan/wrong", headers={"Accept-Language": header})
    assert reply.status_code == 404
    assert title in reply.text


def test_the_manifest_installs_the_scanner(door: Door) -> None:
    reply = door.web.get("/scan/manifest.webmanifest")
    assert reply.mimetype == "application/manifest+json"
    assert reply.json is not None
    assert (reply.json["start_url"], reply.json["display"]) == ("/scan/", "standalone")
    for icon in reply.json["icons"]:
        with door.web.get(icon["src"]) as file:
            assert file.status_code == 200


def test_every_text_has_all_languages() -> None:
    assert all(all(texts) and len(texts) == len(LANGUAGES) for texts in _WORDS.values())
    fields = {key: [set(re.findall(r"{\w+}", text)) for text in texts] for key, texts in _WORDS.items()}
    assert all(one == some[0] for some in fields.values() for one in some)
    assert words("de") == words("ru")
    said = [*door_words._VERDICTS.values(), *door_words._RESULTS.values()]
    assert all(one.ru and one.en and one.kk for one in said)


def test_the_api_description_names_every_route_and_only_those(door: Door) -> None:
    described = {
        (re.sub(r"{(\w+)}", r"<\1>", path), method.upper())
        for path, methods in openapi.PATHS.items()
        for method in methods
    }
    routed = {
        (rule.rule, method)
        for rule in door.app.url_map.iter_rules()
        for method in rule.methods or ()
        if method in {"GET", "POST"}
        and rule.rule.startswith(("/api/", "/scan/", "/healthz", "/readyz", "/metrics"))
    }
    assert routed - described == {("/scan/manifest.webmanifest", "GET"), ("/scan/sw.js", "GET")}
    assert described <= routed


def test_the_api_description_is_complete_in_itself(door: Door) -> None:
    document = door.web.get("/api/openapi.json").json
    assert document is not None
    references = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert references == set(document["components"]["schemas"])


def conforms(value: Any, schema: dict[str, Any]) -> bool:
    """As much of JSON Schema as the description uses."""
    if "$ref" in schema:
        return conforms(value, openapi.SCHEMAS[schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return any(conforms(value, one) for one in schema["anyOf"])
    if "enum" in schema:
        return value in schema["enum"]
    kind = schema.get("type")
    if kind == "object":
        known = schema["properties"]
        return (
            isinstance(value, dict)
            and set(schema["required"]) <= set(value) <= set(known)
            and all(conforms(value[key], known[key]) for key in value)
        )
    if kind == "array":
        return isinstance(value, list) and all(conforms(one, schema["items"]) for one in value)
    types: dict[Any, Any] = {
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "null": type(None),
    }
    return isinstance(value, types[kind]) if kind else True


def test_answers_have_the_described_shape(door: Door) -> None:
    guest = door.guest()
    for ticket in (guest.ticket, guest.ticket, "x"):
        assert conforms(door.scan(ticket), openapi.SCHEMAS["Verdict"])
    flag = {"action_id": "1", "ticket": guest.ticket, "flag": "quote_requested", "set_at": NOW.isoformat()}
    walk_in = {"action_id": "2", "last_name": "А", "first_name": "Б"}
    annulment = {"action_id": "3", "scan_id": "a" * 32, "set_at": NOW.isoformat()}
    for path, name, entry in (
        ("flags", "flags", flag),
        ("walk-ins", "walk_ins", walk_in),
        ("annulments", "annulments", annulment),
    ):
        (result,) = door.call(f"/api/v1/{path}", {name: [entry]}).json["results"]
        assert conforms(result, openapi.SCHEMAS["Result"]), result
    headers = {"Authorization": f"Bearer {door.token}"}
    found = door.web.get("/api/v1/people?q=иван", headers=headers).json
    assert found is not None
    assert conforms(found["people"][0], openapi.SCHEMAS["Found"])
    assert conforms(door.web.get("/api/v1/device", headers=headers).json, openapi.SCHEMAS["Device"])
    assert conforms(door.web.get("/api/v1/device").json, openapi.SCHEMAS["Problem"])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("get", "/api/v1/nothing", 404), ("get", "/api/v1/scans", 405), ("delete", "/api/v1/devices", 405)],
)
def test_errors_of_the_api_are_problem_documents(door: Door, method: str, path: str, status: int) -> None:
    reply = getattr(door.web, method)(path, headers={"Accept": "text/html"})
    assert (reply.status_code, reply.mimetype) == (status, "application/problem+json")
    assert reply.json["status"] == status
    if status == 405:
        assert reply.headers["Allow"]


def test_errors_of_pages_are_pages_for_people(door: Door) -> None:
    reply = door.web.get("/nothing", headers={"Accept": "text/html"})
    assert (reply.status_code, reply.mimetype) == (404, "text/html")
    assert "Не найдено" in reply.text


def test_a_bug_is_a_500_that_tells_nothing(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    door.app.testing = False
    monkeypatch.setattr("handlers.scans.checkin.check_in", lambda *_, **__: 1 / 0)
    reply = door.call("/api/v1/scans", {"scans": [door.a_scan("x")]})
    assert (reply.status_code, reply.mimetype) == (500, "application/problem+json")
    assert "ZeroDivision" not in reply.text
