"""There are words for every kind of fact, in every language, whoever recorded it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from smart_process.facts import Kind, NewFact
from smart_process.language import LANGUAGES, translator
from smart_process.timeline import lines

AT = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
NEEDED = {
    Kind.FLAG_SET: {"flag": "closed_session"},
    Kind.FLAG_WITHDRAWN: {"flag": "closed_session", "product_line": "Насосы"},
    Kind.STAGE_MOVED: {"to": "arrived"},
}


def told(what: Kind, actor: str = "app", /, *, lang: str = "ru", **data: Any) -> tuple[str, str]:
    fact = NewFact(what, AT, actor, "key", "Вход", data)
    (line,) = lines([fact], {5: "Айгуль"}, {3: "Телефон 3"}, translator(lang))
    return line.what, line.by


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("kind", list(Kind))
def test_there_are_words_for_every_kind_of_fact(kind: Kind, lang: str) -> None:
    what, by = told(kind, lang=lang, **NEEDED.get(kind, {}))
    assert what.strip()
    assert by.strip()
    assert "%" not in what + by


@pytest.mark.parametrize(
    ("actor", "data", "by"),
    [
        ("user:5", {}, "Айгуль"),
        ("user:6", {}, "#6"),
        ("user:0", {}, "CRM"),
        ("device:3", {}, "телефон «Телефон 3»"),
        ("device:4", {"device": "Запасной"}, "телефон «Запасной»"),
        ("guest", {}, "гость"),
        ("app", {}, "приложение"),
        ("portal", {}, "CRM"),
    ],
)
def test_everybody_who_records_facts_has_a_name(actor: str, data: dict[str, Any], by: str) -> None:
    assert told(Kind.ARRIVED, actor, **data)[1] == by


@pytest.mark.parametrize(
    ("kind", "data", "what"),
    [
        (Kind.REGISTERED, {"source": "walk_in"}, "Зарегистрирован на входе"),
        (Kind.REGISTERED, {"source": "?"}, "Зарегистрирован"),
        (Kind.MESSAGE_SENT, {"kind": "ticket"}, "Письмо отправлено: билет"),
        (Kind.MESSAGE_SENT, {"kind": "ticket", "possibly": True}, "Письмо, возможно, доставлено: билет"),
        (Kind.FLAG_SET, {"flag": "own_flag"}, "Отметка: own_flag"),
        (Kind.STAGE_MOVED, {"to": "no_show"}, "Стадия в CRM: Не пришёл"),
        (Kind.OUTCOME_CREATED, {"kind": "task", "item_id": 7}, "Передан в продажи: задача № 7"),
        (Kind.NOTE, {"text": "100% интерес"}, "Заметка: 100% интерес"),
    ],
)
def test_what_happened_is_told(kind: Kind, data: dict[str, Any], what: str) -> None:
    assert told(kind, **data)[0] == what
