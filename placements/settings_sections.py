"""The sections of the settings page: what each shows, and how what was sent becomes settings.

Everything to choose from is read with the administrator's own token, while no transaction is open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import phonenumbers
from babel import Locale

from b24.client import Client
from b24.store import marks
from b24.store.engine import Tx
from placements import viewing
from placements.session import PageSession
from smart_process import portal_choices, refusals, rule_table, rule_words, settings_forms
from smart_process.card_paths import robots_path
from smart_process.language import LANGUAGES, Translator, translator, viewers_moment
from smart_process.portal_choices import Field
from smart_process.rule_table import LEVELS, QUESTIONS, STAGES, Row
from smart_process.schema import COMPANY, DEAL, FLAGS, Binding
from smart_process.service import Service
from smart_process.settings import Grant, Settings
from smart_process.settings_forms import ROLES, SEGMENT, Values
from smart_process.store import messages, setups
from smart_process.store import settings_page as store

COUNTRIES = (
    "KZ",
    "RU",
    "BY",
    "UZ",
    "KG",
    "AM",
    "AZ",
    "GE",
    "TJ",
    "TM",
    "MD",
    "MN",
    "CN",
    "TR",
    "DE",
    "PL",
    "GB",
    "US",
)
"""Offered first; any other can be chosen behind them."""


@dataclass(frozen=True)
class Desk:
    """An administrator at the page: their client, and the portal's present setup."""

    service: Service
    session: PageSession
    client: Client
    setup: setups.Setup

    @property
    def binding(self) -> Binding:
        return self.setup.bound

    @property
    def settings(self) -> Settings:
        return self.setup.settings


Parsed = Callable[[Settings], Values]
"""The changed fields of the settings as they are when they are saved."""


@dataclass(frozen=True)
class Section:
    """One section.

    Attributes:
        show: values of its template ``settings/_<key>.html``, for a reader's language.
        parse: reads what must be read to judge, then answers how to change; raises ``settings_forms.Wrong``.
        saved: what else has to happen, in the same transaction.
    """

    key: str
    title: str
    does: str
    show: Callable[[Desk, Translator], dict[str, Any]]
    parse: Callable[[Desk, Values], Parsed]
    saved: Callable[[Tx, Desk, Settings, datetime], None] = lambda _tx, _desk, _now_settings, _now: None


# ------------------------------------------------------------------------ segment


def _show_segment(desk: Desk, _: Translator) -> dict[str, Any]:
    fields = portal_choices.company_fields(desk.client)
    kept = desk.settings.segment
    known = {one.name for one in fields}
    return {
        "fields": fields,
        "lists": [one for one in fields if one.options],
        "questions": [
            (name, _(title), getattr(kept, name), getattr(kept, name) not in known)
            for name, title in zip(SEGMENT, ("Потенциал", "Форма сотрудничества", "Регион"), strict=True)
        ],
        "segment": kept,
        "levels": [(level, _(rule_words.LEVEL_WORDS[level])) for level in LEVELS],
    }


def _parse_segment(desk: Desk, data: Values) -> Parsed:
    values = settings_forms.segment(data, portal_choices.company_fields(desk.client))
    return lambda _before: values


def _segment_saved(tx: Tx, desk: Desk, _after: Settings, now: datetime) -> None:
    """Companies already known are read again: their levels follow from the mapping."""
    portal_id = desk.session.portal_id
    companies = [f"{COMPANY}:{one}" for one in store.companies(tx, portal_id)]
    marks.mark(tx, portal_id, "pull", companies, now=now)


# ------------------------------------------------------------------------ forms


def _show_forms(desk: Desk, _: Translator) -> dict[str, Any]:
    events = _events(desk)
    rows = [(int(form), event) for form, event in desk.settings.form_events.items()]
    known = {event for event, _title in events}
    return {
        "rows": [(form, event, event in known) for form, event in rows],
        "events": events,
        "unknown": _unknown(desk, _),
    }


def _events(desk: Desk) -> list[tuple[int, str]]:
    """Events a form can register for, as far as the administrator's own token may read them."""
    with desk.service.store.reading() as tx:
        events = store.events(tx, desk.session.portal_id)
    kind = desk.binding.event.entity_type_id
    readable = viewing.readable(desk.client, kind, (item_id for item_id, _title in events))
    return [one for one in events if one[0] in readable]


def _unknown(desk: Desk, _: Translator) -> list[dict[str, Any]]:
    """Forms whose submissions belong to no event: how many there are, and when the last one came."""
    found = portal_choices.submissions(desk.client, desk.binding)
    with desk.service.store.reading() as tx:
        placed = store.placed(tx, desk.session.portal_id, [one.item_id for one in found])
    waiting: dict[int, list[str]] = {}
    for one in found:
        if one.item_id not in placed and str(one.form_id) not in desk.settings.form_events:
            waiting.setdefault(one.form_id, []).append(one.created)
    return [
        {
            "form": form,
            "count": len(times),
            "last": viewers_moment(datetime.fromisoformat(max(times)), desk.session.zone, _),
        }
        for form, times in waiting.items()
    ]


def _parse_forms(desk: Desk, data: Values) -> Parsed:
    values = settings_forms.forms(data, {item_id for item_id, _title in _events(desk)})
    return lambda _before: values


def _forms_saved(tx: Tx, desk: Desk, _after: Settings, now: datetime) -> None:
    """Submissions that belonged to nobody so far are looked at again."""
    marks.mark(tx, desk.session.portal_id, store.FORMS, ["0"], now=now)


# ------------------------------------------------------------------------ deals


def _show_deals(desk: Desk, _: Translator) -> dict[str, Any]:
    settings = desk.settings
    fields = portal_choices.deal_fields(desk.client, desk.binding)
    kept = settings.deal_defaults
    first = [one for one in fields if one.required or one.name in kept]
    return {
        "funnels": portal_choices.funnels(desk.client),
        "stages": portal_choices.stages(desk.client, settings.deal_category_id),
        "category": settings.deal_category_id,
        "stage": settings.deal_stage_id or "",
        "first": [_with_default(one, kept) for one in first if one.fillable],
        "others": [_with_default(one, kept) for one in fields if one.fillable and one not in first],
        "unfilled": [one.title for one in first if one.required and one.fillable and one.name not in kept],
        "unfillable": [one.title for one in fields if one.required and not one.fillable],
        "robots": robots_path(DEAL, settings.deal_category_id),
        "refused": _refused(desk, _),
    }


def _with_default(field: Field, kept: Mapping[str, Any]) -> tuple[Field, str]:
    value = kept.get(field.name, "")
    first = (value[0] if value else "") if isinstance(value, list) else value
    return field, str(first)


def _refused(desk: Desk, _: Translator) -> list[dict[str, Any]]:
    """Deals the portal refused lately, with its words, by the task that stands in: the portal says whom it is about."""
    with desk.service.store.reading() as tx:
        rows = store.refused(tx, desk.session.portal_id)
    return [
        viewing.outcome_link(row["kind"], row["item_id"], row["owner_id"], _)
        | {"said": row["content"][refusals.REFUSED]["said"]}
        for row in rows
    ]


def _parse_deals(desk: Desk, data: Values) -> Parsed:
    funnels = {one for one, _name in portal_choices.funnels(desk.client)}
    category = data.get("category")
    stages = {
        one for one, _name in (portal_choices.stages(desk.client, category) if category in funnels else [])
    }
    fields = portal_choices.deal_fields(desk.client, desk.binding)
    values = settings_forms.deals(data, funnels, stages, fields)
    return lambda _before: values


def _deals_saved(tx: Tx, desk: Desk, _after: Settings, now: datetime) -> None:
    refusals.retry(tx, desk.session.portal_id, now)


# ------------------------------------------------------------------------ rules


def _show_rules(desk: Desk, _: Translator) -> dict[str, Any]:
    # Shipped names are shown, and compared when they come back, in the portal's language.
    named = translator(desk.settings.language)
    table = rule_table.rows(desk.settings)
    return {
        "rules": [_row(row, named) for row in table],
        "template": _row(rule_table.template(named), named),
        "version": rule_table.version(table),
        "shipped": desk.settings.rules is None,
        "sentences": sentences(table, _),
        "questions": [(name, _(QUESTION_WORDS[name]), one.kind) for name, one in QUESTIONS.items()],
        "values": {
            "flag": [(key, title.get(_.lang)) for key, title in FLAGS.items()],
            "level": [(level, _(rule_words.LEVEL_WORDS[level])) for level in LEVELS],
            "stage": [(key, rule_words.STAGE_TITLES[key].get(_.lang)) for key in STAGES],
        },
    }


QUESTION_WORDS = {
    "flag": "есть отметка",
    "not_flag": "нет отметки",
    "no_flags": "нет никаких отметок",
    "line": "интересна линейка",
    "potential": "потенциал компании",
    "cooperation": "форма сотрудничества",
    "region": "регион",
    "arrived_ge": "пришло гостей, не меньше",
    "arrived_eq": "пришло гостей, ровно",
    "guests_ge": "всего гостей, не меньше",
    "no_shows_ge": "не пришло гостей, не меньше",
    "reached": "кто-то был на стадии",
}


def _row(row: Row, _: Translator) -> dict[str, Any]:
    rule, form = row.rule, rule_table.form_of(row.rule.condition)
    amount, unit = rule_table.shown_within(rule.within)
    return {
        "key": rule.key,
        "on": row.on,
        "name": _(rule.name),
        "topic": _(rule.topic),
        "todo": _(rule.todo),
        "kind": rule.kind,
        "priority": rule.priority,
        "when": rule.when,
        "amount": amount,
        "unit": unit,
        "join": form.join,
        "complex": rule_words.words(rule.condition, _) if form.complex else "",
        "conditions": [{"name": name, "value": value} for name, value in form.questions],
    }


def sentences(table: tuple[Row, ...], _: Translator) -> list[dict[str, str]]:
    """What each rule says, and whether it can ever decide."""
    hidden = rule_words.never_reached([row.rule for row in table if row.on])
    return [
        {
            "name": _(row.rule.name),
            "text": rule_words.sentence(row, _),
            "warning": _("Никогда не сработает: выше стоит правило с тем же условием.")
            if row.on and row.rule.key in hidden
            else "",
        }
        for row in table
    ]


def _parse_rules(desk: Desk, data: Values) -> Parsed:
    return lambda before: settings_forms.rules(data, before, translator(before.language))


# ------------------------------------------------------------------------ owners, sender, roles, guests


def _show_owners(desk: Desk, _: Translator) -> dict[str, Any]:
    fallback = desk.settings.fallback_owner_id
    found = portal_choices.by_ids(desk.client, [fallback] if fallback else [])
    return {
        "fallback": [(one.id, one.name) for one in found.values()],
        "gone": bool(fallback) and not found,
        "delay": desk.settings.closing_delay_min,
    }


def _parse_owners(desk: Desk, data: Values) -> Parsed:
    known = set(portal_choices.by_ids(desk.client, settings_forms.granted_users(data)))
    values = settings_forms.owners(data, known)
    return lambda _before: values


def _show_sender(desk: Desk, _: Translator) -> dict[str, Any]:
    smtp = desk.settings.smtp
    with desk.service.store.reading() as tx:
        waiting = store.mails_waiting(tx, desk.session.portal_id)
    return {
        "way": desk.settings.mail_way,
        "sender": desk.settings.sender,
        # Never the password: the page only learns that there is one.
        "smtp": {name: value for name, value in vars(smtp).items() if name != "password"},
        "has_password": bool(smtp.password),
        "local": desk.service.local_smtp,
        "waiting": waiting,
    }


def _sender_saved(tx: Tx, desk: Desk, _after: Settings, now: datetime) -> None:
    # Also those that waited for their guest's contact, which another way does not need.
    messages.send_waiting(tx, desk.session.portal_id, now=now)


def _parse_sender(desk: Desk, data: Values) -> Parsed:
    service = desk.service
    return lambda before: settings_forms.sender(data, before.smtp, service.secrets, local=service.local_smtp)


ROLE_WORDS = {
    "devices": ("Выдаёт телефоны для входа", "Ссылки и QR-коды для сканера на вкладке мероприятия."),
    "undo": ("Отменяет приход", "Кнопка «Отменить приход» на карточке участия."),
    "resend": ("Отправляет письма ещё раз", "Билеты и письма с вкладок мероприятия и участия."),
    "guests": (
        "Видит, кто гости",
        "Списки людей, путь гостя и история на карточках; числа видят все. Сами карточки закрывают права CRM.",
    ),
}


def _show_roles(desk: Desk, _: Translator) -> dict[str, Any]:
    grants: dict[str, Grant] = {name: getattr(desk.settings.roles, name) for name in ROLES}
    people = portal_choices.by_ids(desk.client, {one for grant in grants.values() for one in grant.users})
    return {
        "roles": [
            {
                "name": name,
                "title": _(ROLE_WORDS[name][0]),
                "does": _(ROLE_WORDS[name][1]),
                "users": [(one, people[one].name) for one in grant.users if one in people],
                "gone": sum(one not in people for one in grant.users),
                "departments": grant.departments,
            }
            for name, grant in grants.items()
        ],
        "departments": portal_choices.departments(desk.client),
    }


def _parse_roles(desk: Desk, data: Values) -> Parsed:
    known = set(portal_choices.by_ids(desk.client, settings_forms.granted_users(data)))
    units = {one for one, _name in portal_choices.departments(desk.client)}
    values = settings_forms.roles(data, known, units)
    return lambda _before: values


def _show_guests(desk: Desk, _: Translator) -> dict[str, Any]:
    names = {one: str(Locale(one).display_name).capitalize() for one in LANGUAGES}
    others = sorted(phonenumbers.SUPPORTED_REGIONS - set(COUNTRIES))
    countries = [(code, _.locale.territories.get(code, code)) for code in (*COUNTRIES, *others)]
    return {
        "languages": [(one, names[one]) for one in LANGUAGES],
        "countries": countries,
        "settings": desk.settings,
    }


def _parse_guests(_desk: Desk, data: Values) -> Parsed:
    return lambda before: settings_forms.guests(data, before)


SECTIONS: Mapping[str, Section] = {
    one.key: one
    for one in (
        Section(
            "sender",
            "Почта",
            "Откуда гостям уходят приглашения и билеты",
            _show_sender,
            _parse_sender,
            _sender_saved,
        ),
        Section(
            "segment",
            "Сегмент",
            "Какие поля ваших компаний отвечают за потенциал, форму сотрудничества и регион",
            _show_segment,
            _parse_segment,
            _segment_saved,
        ),
        Section(
            "forms",
            "Формы CRM",
            "Какая форма регистрирует на какое мероприятие",
            _show_forms,
            _parse_forms,
            _forms_saved,
        ),
        Section(
            "deals",
            "Сделки",
            "Где появляются новые сделки и чем заполнены их поля",
            _show_deals,
            _parse_deals,
            _deals_saved,
        ),
        Section(
            "rules",
            "Правила",
            "Кому достаётся сделка или задача и с каким приоритетом",
            _show_rules,
            _parse_rules,
        ),
        Section(
            "owners",
            "Ответственные и закрытие",
            "Кто получает работу, у которой нет хозяина, и сколько ждёт закрытие мероприятия",
            _show_owners,
            _parse_owners,
        ),
        Section("roles", "Роли", "Кому можно больше, чем другим", _show_roles, _parse_roles),
        Section(
            "guests",
            "Гости",
            "Текст согласия, язык писем и страна телефонов",
            _show_guests,
            _parse_guests,
        ),
    )
}
"""In the order of the page."""
