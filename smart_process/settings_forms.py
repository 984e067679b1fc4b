"""What administrators send from the settings page, checked at the edge: one function a section.

Each gives the fields of :class:`Settings` the section changes, or refuses with a word for every field that is wrong.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import phonenumbers

from b24.secrets import Secrets
from smart_process.language import LANGUAGES, Translator
from smart_process.people import email_of
from smart_process.portal_choices import Field
from smart_process.rule_table import LEVELS, WrongTable, kept, parse, rows
from smart_process.settings import CRM, NO_WAY, SMTP, CrmMail, Grant, Roles, SegmentFields, Settings, Smtp

Values = Mapping[str, Any]
ROLES = ("devices", "undo", "resend", "guests")
SEGMENT = ("potential", "cooperation", "region")
MOST_FORMS, MOST_GRANTED, LONGEST_CONSENT, LONGEST_VALUE = 100, 200, 4000, 1000
LONGEST_DELAY_MIN = 7 * 24 * 60
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_UNREADABLE = "Запрос не читается."


class Wrong(ValueError):
    """Nothing was changed; ``errors``: by field what is wrong, Russian."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(", ".join(errors))
        self.errors = dict(errors)


def _done(values: Values, errors: Mapping[str, str]) -> Values:
    if errors:
        raise Wrong(errors)
    return values


def _number(value: Any, least: int, most: int) -> int | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    return value if fits else None


def _line(value: Any, longest: int) -> str | None:
    """One line of text without control characters; ``None`` when it is none."""
    text = value.strip() if isinstance(value, str) else None
    return text if text is not None and len(text) <= longest and (not text or text.isprintable()) else None


def segment(data: Values, fields: Sequence[Field]) -> Values:
    """Which company fields hold the segment, and which values of potential are high, medium and low."""
    known = {one.name: one for one in fields}
    errors: dict[str, str] = {}
    chosen: dict[str, str] = {}
    for name in SEGMENT:
        value = data.get(name)
        if not isinstance(value, str) or (value and value not in known):
            errors[name] = "Такого поля у компаний больше нет. Обновите страницу."
        else:
            chosen[name] = value
    taken = [name for name in chosen.values() if name]
    if len(set(taken)) < len(taken):
        errors["region"] = "Одно поле не может отвечать на два вопроса."
    potential = known.get(chosen.get("potential", ""))
    if potential and not potential.options:
        errors["potential"] = "Для потенциала нужно поле-список."
    levels = data.get("potentials")
    options = {value for value, _title in potential.options} if potential else set()
    mapped = levels if isinstance(levels, Mapping) else {}
    if potential and not all(key in options and value in ("", *LEVELS) for key, value in mapped.items()):
        errors["potentials"] = "Выберите уровень для каждого значения."
    potentials = {key: value for key, value in mapped.items() if value} if potential else {}
    if potential and not potentials and not errors:
        errors["potentials"] = "Отметьте хотя бы одно значение: без этого потенциал ни на что не влияет."
    return _done({"segment": SegmentFields(**chosen, potentials=potentials)} if not errors else {}, errors)


def forms(data: Values, event_items: Collection[int]) -> Values:
    """Which event the submissions of a CRM form register for."""
    sent = data.get("rows")
    if not isinstance(sent, list) or len(sent) > MOST_FORMS:
        raise Wrong({"rows": _UNREADABLE})
    errors: dict[str, str] = {}
    mapped: dict[str, int] = {}
    for number, one in enumerate(sent):
        row = one if isinstance(one, Mapping) else {}
        form, event = _number(row.get("form"), 1, 2**31 - 1), _number(row.get("event"), 1, 2**31 - 1)
        if form is None:
            errors[f"rows.{number}.form"] = "Номер формы – целое число."
        elif str(form) in mapped:
            errors[f"rows.{number}.form"] = "Эта форма уже есть в списке."
        if event is None or event not in event_items:
            errors[f"rows.{number}.event"] = "Выберите мероприятие."
        if form is not None and event is not None:
            mapped[str(form)] = event
    return _done({"form_events": mapped}, errors)


def deals(data: Values, funnels: Collection[int], stages: Collection[str], fields: Sequence[Field]) -> Values:
    """Where new deals begin and what their fields hold from the start.

    Args:
        stages: of the funnel that was sent.
    """
    errors: dict[str, str] = {}
    category, stage = _number(data.get("category"), 0, 2**31 - 1), data.get("stage")
    if category is None or category not in funnels:
        errors["category"] = "Такой воронки в портале больше нет."
    if not isinstance(stage, str) or (stage and stage not in stages):
        errors["stage"] = "Такой стадии в воронке нет."
    sent = data.get("defaults")
    known = {one.name: one for one in fields}
    defaults: dict[str, Any] = {}
    for name, value in (sent if isinstance(sent, Mapping) else {}).items():
        field = known.get(name)
        if field is None or not field.fillable:
            errors[f"defaults.{name}"] = "Такого поля у сделок больше нет. Обновите страницу."
            continue
        if value in ("", None):
            continue
        typed = _typed(value, field)
        if typed is None:
            errors[f"defaults.{name}"] = "Значение не подходит к полю."
        else:
            defaults[name] = [typed] if field.multiple else typed
    values = {"deal_category_id": category, "deal_stage_id": stage or None, "deal_defaults": defaults}
    return _done(values, errors)


def _typed(value: Any, field: Field) -> Any:
    """A default as ``crm.item.add`` takes it; ``None`` when it does not fit. Source: crm/data-types.md."""
    text = _line(value, LONGEST_VALUE)
    if text is None:
        return None
    if field.options or field.kind in ("enumeration", "crm_status"):
        return text if text in {one for one, _title in field.options} else None
    try:
        return _PARSERS.get(field.kind, str)(text)
    except (ValueError, OverflowError):
        return None


def _yes_no(text: str) -> str:
    if text not in ("Y", "N"):
        raise ValueError(text)
    return text


def _money(text: str) -> str:
    amount, _sep, currency = text.partition("|")
    if not re.fullmatch(r"[A-Z]{3}", currency):
        raise ValueError(text)
    return f"{_double(amount):g}|{currency}"


def _double(text: str) -> float:
    number = float(text.replace(",", "."))
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _url(text: str) -> str:
    if not re.match(r"https?://[^\s/]+", text):
        raise ValueError(text)
    return text


_PARSERS: Mapping[str, Any] = {
    "integer": int,
    "user": int,
    "double": _double,
    "boolean": _yes_no,
    "money": _money,
    "url": _url,
    "date": lambda text: date.fromisoformat(text).isoformat(),
    "datetime": lambda text: datetime.fromisoformat(text).isoformat(),
}


def rules(data: Values, before: Settings, _: Translator) -> Values:
    """The table of rules; ``{"shipped": true}`` goes back to the one the app came with."""
    if data.get("shipped") is True:
        return {"rules": None}
    try:
        return {"rules": kept(parse(data.get("rules"), rows(before), _))}
    except WrongTable as wrong:
        raise Wrong(wrong.errors) from None


def owners(data: Values, colleagues: Collection[int]) -> Values:
    """Who gets what nobody else can, and how long a closing waits."""
    errors: dict[str, str] = {}
    fallback = data.get("fallback")
    if fallback is not None and (_number(fallback, 1, 2**31 - 1) is None or fallback not in colleagues):
        errors["fallback"] = "Этого сотрудника в портале нет или он уволен."
    delay = _number(data.get("delay"), 0, LONGEST_DELAY_MIN)
    if delay is None:
        errors["delay"] = "Целое число минут, не больше недели."
    return _done({"fallback_owner_id": fallback, "closing_delay_min": delay}, errors)


def sender(data: Values, before: Smtp, secrets: Secrets, *, local: bool) -> Values:
    """How mails leave (``way``): through a mail server, through the portal, or not at all.

    A password that is left empty stays, but only for the server it was given for.

    Args:
        local: servers of this machine are allowed, also without TLS (demo only).
    """
    way = data.get("way")
    if way == NO_WAY:
        return {"smtp": Smtp(), "crm_mail": CrmMail()}
    if way not in (SMTP, CRM):
        raise Wrong({"way": "Выберите, как уходят письма."})
    address, name = _line(data.get("from_address"), 254), _line(data.get("from_name"), 120)
    # The portal has a mailbox of its own to fall back on.
    left_out = way == CRM and address == ""
    fits = {
        "from_address": (
            left_out or (bool(address) and email_of(str(address)) == str(address).lower()),
            "Это не адрес электронной почты.",
        ),
        "from_name": (name is not None, "Имя отправителя – до 120 знаков в одну строку."),
    }
    made = _gateway(data, before, secrets, local, fits) if way == SMTP else Smtp()
    if errors := {field: text for field, (fit, text) in fits.items() if not fit}:
        raise Wrong(errors)
    if way == CRM:
        return {"smtp": made, "crm_mail": CrmMail(True, str(address), str(name))}
    return {"smtp": replace(made, from_address=str(address), from_name=str(name)), "crm_mail": CrmMail()}


def _gateway(
    data: Values, before: Smtp, secrets: Secrets, local: bool, fits: dict[str, tuple[bool, str]]
) -> Smtp:
    host, user = _line(data.get("host"), 253), _line(data.get("user"), 254)
    port, tls, password = _number(data.get("port"), 1, 65535), data.get("tls"), data.get("password")
    same = (host, port, user) == (before.host, before.port, before.user)
    fits["host"] = (
        bool(host) and _public(str(host).lower(), local),
        "Адрес сервера, доступного из интернета, например smtp.example.com.",
    )
    fits["port"] = (port is not None, "Порт – число от 1 до 65535.")
    encryptions = ("starttls", "tls", *(("none",) if local else ()))
    fits["tls"] = (tls in encryptions, "Письма уходят только с шифрованием.")
    fits["user"] = (user is not None, "Имя пользователя не читается.")
    fits["password"] = _password(password, asked=bool(user and before.password and not same))
    if not all(fit for fit, _text in fits.values()):
        return Smtp()
    hidden = secrets.encrypt(str(password)) if password else before.password if user else ""
    return Smtp(str(host).lower(), port or 0, str(user), hidden, str(tls))


def _password(sent: Any, *, asked: bool) -> tuple[bool, str]:
    """Whether a password may be what was sent; ``asked``: an empty one is none."""
    if not isinstance(sent, str) or len(sent) > 500:
        return False, "Пароль не читается."
    return bool(sent) or not asked, "Сервер изменён: введите пароль ещё раз."


def _public(host: str, local: bool) -> bool:
    """Whether a server's name may be one of the internet; what it stands for is checked with every connection."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        try:
            ascii_host = host.encode("idna").decode()
        except UnicodeError:
            return False
        named = bool(_HOST.fullmatch(ascii_host)) and not ascii_host.replace(".", "").isdigit()
        return named and ("." in host or local) and (local or not host.endswith(("localhost", ".local")))
    return address.is_global or (local and address.is_loopback)


def roles(data: Values, colleagues: Collection[int], departments: Collection[int]) -> Values:
    """Who may do what: colleagues and departments; both empty leave it to whoever may change the card."""
    errors: dict[str, str] = {}
    granted: dict[str, Grant] = {}
    for role in ROLES:
        sent = data.get(role)
        row = sent if isinstance(sent, Mapping) else {}
        users, units = _ids(row.get("users")), _ids(row.get("departments"))
        if users is None or units is None:
            errors[role] = _UNREADABLE
        elif not set(users) <= set(colleagues):
            errors[role] = "Кого-то из сотрудников в портале нет или он уволен."
        elif not set(units) <= set(departments):
            errors[role] = "Какого-то из отделов в портале больше нет."
        else:
            granted[role] = Grant(users, units)
    return _done({"roles": Roles(**granted)}, errors)


def _ids(value: Any) -> tuple[int, ...] | None:
    if not isinstance(value, list) or len(value) > MOST_GRANTED:
        return None
    ids = [_number(one, 1, 2**31 - 1) for one in value]
    return None if None in ids else tuple(dict.fromkeys(one for one in ids if one is not None))


def granted_users(data: Values) -> set[int]:
    """Every user named in a section, to be looked up in the portal; what is no id is left out."""
    found = {one for role in ROLES for one in _ids(_users(data.get(role))) or ()}
    fallback = _number(data.get("fallback"), 1, 2**31 - 1)
    return found | ({fallback} if fallback else set())


def _users(data: Any) -> Any:
    return data.get("users") if isinstance(data, Mapping) else None


def guests(data: Values, before: Settings) -> Values:
    """What guests agree to (another text is another version; earlier ones are kept), language and region."""
    errors: dict[str, str] = {}
    text = data.get("consent")
    consent = text.strip().replace("\r\n", "\n") if isinstance(text, str) else ""
    if not 0 < len(consent) <= LONGEST_CONSENT or not all(
        one.isprintable() or one == "\n" for one in consent
    ):
        errors["consent"] = "Напишите текст согласия (до 4000 знаков)."
    language, region = data.get("language"), data.get("region")
    if language not in LANGUAGES:
        errors["language"] = "Выберите язык."
    if region not in phonenumbers.SUPPORTED_REGIONS:
        errors["region"] = "Выберите страну."
    values: dict[str, Any] = {"language": language, "region": region}
    if consent != before.consent_text:
        earlier = {**before.consent_texts, before.consent_version: before.consent_text}
        numbers = [int(one) for one in earlier if one.isascii() and one.isdigit()]
        values |= {
            "consent_text": consent,
            "consent_version": str(max(numbers, default=0) + 1),
            "consent_texts": earlier,
        }
    return _done(values, errors)
