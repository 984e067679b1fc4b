"""The path of one guest as people read it: every fact with when, where and by whom. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from smart_process.facts import Kind, NewFact
from smart_process.language import Translator
from smart_process.schema import FLAGS, TYPES

SOURCES = {
    "invitation": "по приглашению",
    "page": "на странице регистрации",
    "crm_form": "через CRM-форму",
    "walk_in": "на входе",
    "crm": "в CRM",
    "segment": "по сегменту",
}
MAILS = {
    "invitation": "приглашение",
    "ticket": "билет",
    "materials": "материалы",
    "missed": "письмо не пришедшему",
}
_PLAIN = {
    Kind.CASE_SETTLED: "Спорный проход разобран",
    Kind.CASE_REOPENED: "Решение о спорном проходе отменено",
    Kind.NO_SHOW: "Не пришёл",
    Kind.CANCELLED: "Отказался прийти",
    Kind.OUTCOME_WITHDRAWN: "Больше не передан в продажи",
    Kind.WON: "Сделка выиграна",
    Kind.REOPENED: "Сделка снова открыта",
    Kind.MERGED: "Объединён с другой карточкой",
    Kind.REMOVED: "Карточка удалена в CRM",
    Kind.RESTORED: "Карточка восстановлена в CRM",
}


@dataclass(frozen=True)
class Line:
    """One entry; ``mark`` is the kind of fact, for its symbol."""

    mark: str
    at: datetime
    what: str
    where: str
    by: str


def lines(
    facts: Sequence[NewFact], people: Mapping[int, str], devices: Mapping[int, str], _: Translator
) -> list[Line]:
    """Facts as entries, in the order they were learned.

    Args:
        people: portal user id → name; ``devices``: our device id → name.
    """
    return [
        Line(one.kind.value, one.at, _what(one, _), one.gate, _by(one, people, devices, _)) for one in facts
    ]


def _what(one: NewFact, _: Translator) -> str:
    special = {
        Kind.SELECTED: _selected,
        Kind.REGISTERED: _registered,
        Kind.ARRIVED: _arrived,
        Kind.PASSED: _passed,
        Kind.ARRIVAL_ANNULLED: _annulled,
        Kind.FLAG_SET: _flag_set,
        Kind.FLAG_WITHDRAWN: _flag_withdrawn,
        Kind.NOTE: lambda fact, say: str(say("Заметка: %(note)s", note=fact.data.get("text", ""))),
        Kind.DOOR_NOTE: _door_note,
        Kind.STAGE_MOVED: _moved,
        Kind.MESSAGE_SENT: _sent,
        Kind.OUTCOME_CREATED: _handed,
    }
    tell = special.get(one.kind)
    return tell(one, _) if tell else _(_PLAIN[one.kind])


def _selected(one: NewFact, _: Translator) -> str:
    return _("Отобран %(how)s", how=_(SOURCES.get(str(one.data.get("source")), "в CRM")))


def _registered(one: NewFact, _: Translator) -> str:
    source = SOURCES.get(str(one.data.get("source")))
    return _("Зарегистрирован %(how)s", how=_(source)) if source else _("Зарегистрирован")


def _arrived(one: NewFact, _: Translator) -> str:
    return _("Пришёл, телефон был без связи: спорный проход") if one.data.get("conflict") else _("Пришёл")


def _passed(one: NewFact, _: Translator) -> str:
    return _("Вышел") if one.data.get("direction") == "exit" else _("Вошёл")


def _annulled(one: NewFact, _: Translator) -> str:
    reason = str(one.data.get("reason") or "")
    if reason == "case":
        return _("Приход отменён: так решили по спорному проходу")
    return _("Приход отменён: %(reason)s", reason=reason) if reason else _("Приход отменён")


def _flag_set(one: NewFact, _: Translator) -> str:
    return _("Отметка: %(flag)s", flag=_flag(one, _))


def _flag_withdrawn(one: NewFact, _: Translator) -> str:
    said = _("Отметка снята: %(flag)s", flag=_flag(one, _))
    reason = str(one.data.get("reason") or "")
    # "case" is our own word: the line about the passage beside it says what was decided.
    return f"{said} – {reason}" if reason and reason != "case" else said


def _flag(one: NewFact, _: Translator) -> str:
    key, line = str(one.data.get("flag", "")), one.data.get("product_line")
    title = FLAGS[key].get(_.lang) if key in FLAGS else key
    return f"{title} ({line})" if line else title


def _door_note(one: NewFact, _: Translator) -> str:
    text = str(one.data.get("text") or "")
    return _("На входе сказать: %(note)s", note=text) if text else _("На входе ничего не говорить")


def _moved(one: NewFact, _: Translator) -> str:
    key = str(one.data.get("to", ""))
    stage = next((spec.title.get(_.lang) for spec in TYPES["participation"].stages if spec.key == key), key)
    return _("Стадия в CRM: %(stage)s", stage=stage)


def _sent(one: NewFact, _: Translator) -> str:
    kind = _(MAILS.get(str(one.data.get("kind")), "письмо"))
    if one.data.get("possibly"):
        return _("Письмо, возможно, доставлено: %(kind)s", kind=kind)
    return _("Письмо отправлено: %(kind)s", kind=kind)


def _handed(one: NewFact, _: Translator) -> str:
    what = _("сделка") if one.data.get("kind") == "deal" else _("задача")
    number = one.data.get("item_id")
    return _("Передан в продажи: %(what)s № %(number)s", what=what, number=number or "–")


def _by(one: NewFact, people: Mapping[int, str], devices: Mapping[int, str], _: Translator) -> str:
    kind, _sep, number = one.actor.partition(":")
    if kind == "device":
        name = str(one.data.get("device") or devices.get(int(number), number))
        return _("телефон «%(name)s»", name=name)
    if kind == "user" and number.isdigit() and int(number):
        return people.get(int(number), f"#{number}")
    return {"guest": _("гость"), "app": _("приложение")}.get(kind, _("CRM"))
