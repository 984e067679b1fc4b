"""Values of the portal and values of Python. Pure.

The same thing comes in several spellings (an id as ``7``, ``"7"``, ``0``, ``""``, ``null``; a flag as ``Y``,
``true``, ``1``); everything is normalised here, at the border, and written in the one spelling the portal
documents.

Source: api-reference/data-types.md, api-reference/crm/universal/object-fields.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any

from b24.forms import number_of


@dataclass(frozen=True)
class Communication:
    """A phone number or address of a contact or company.

    ``kind`` is ``PHONE``, ``EMAIL``, ``WEB``, ``IM``…; ``id`` is the portal's number of the record (it
    changes when the value does), ``None`` for one that is not saved.
    """

    kind: str
    value: str
    value_type: str = "WORK"
    id: int | None = None


def moment(value: Any, *, zone: tzinfo | None = None) -> datetime | None:
    """A date with time as aware UTC; ``None`` for ``""``, ``null``, ``false`` and what is no date.

    Args:
        zone: for spellings without an offset (``04.05.2025 16:15:04`` of robots, ``deadlineOrig``); without
            it such a value is ``None`` rather than a guess.
    """
    found = _parsed(value)
    if found is None:
        return None
    if found.tzinfo is None:
        if zone is None:
            return None
        found = found.replace(tzinfo=zone)
    try:
        return found.astimezone(UTC)
    except OverflowError:
        return None


def day(value: Any) -> date | None:
    """A pure date: the date part exactly as it stands.

    A date field arrives as midnight with the server's offset; converting that to UTC would move the day.
    """
    found = _parsed(value)
    return found.date() if found else None


def to_moment(value: datetime | None) -> str:
    """A moment as the portal takes it: ISO 8601 with offset, whole seconds; ``""`` clears the field.

    Raises:
        ValueError: a naive datetime.
    """
    if value is None:
        return ""
    if value.tzinfo is None:
        raise ValueError(f"naive datetime {value!r}")
    return value.isoformat(timespec="seconds")


def to_day(value: date | None) -> str:
    """A date as the portal takes it; ``""`` clears the field."""
    return value.isoformat() if value else ""


def whole_second(value: datetime | None) -> datetime | None:
    """The moment as it will come back: the portal keeps no fractions of a second."""
    return value.replace(microsecond=0) if value else None


def to_filter(text: str) -> str:
    """A moment the portal wrote, as its filters take it: ``YYYY-MM-DD HH:MM:SS`` in the same zone.

    ISO with an offset is said to be ignored in some filters; overlap by a day where completeness matters.
    """
    found = _parsed(text)
    return found.strftime("%Y-%m-%d %H:%M:%S") if found else ""


def flag(value: Any) -> bool | None:
    """``Y``/``N``, ``true``/``false``, ``1``/``0`` in any type; ``None`` when not set or something else."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().upper() if isinstance(value, str | int) else ""
    if text in {"Y", "TRUE", "1"}:
        return True
    return False if text in {"N", "FALSE", "0"} else None


def to_flag(value: bool) -> str:
    """A flag as fields take it; filters of boolean custom fields want :func:`to_filter_flag`."""
    return "Y" if value else "N"


def to_filter_flag(value: bool) -> int:
    """A flag as filters of boolean custom fields take it."""
    return 1 if value else 0


def ident(value: Any) -> int | None:
    """An id; ``None`` for every spelling of "no link": ``0``, ``"0"``, ``""``, ``null``, ``false``."""
    return number_of(value)


def idents(value: Any) -> list[int]:
    """A list of ids in their order, without empty ones; ``false``, ``[]`` and ``null`` are empty lists."""
    values = value.values() if isinstance(value, Mapping) else value
    if not isinstance(values, Iterable) or isinstance(values, str):
        values = [value]
    return [found for one in values if (found := ident(one))]


def text(value: Any) -> str:
    """A text without surrounding white space; ``""`` for ``null`` and ``false``; numbers as they are
    written.
    """
    if value is None or isinstance(value, bool | list | dict):
        return ""
    return str(value).strip()


def texts(value: Any) -> list[str]:
    """The values of a multiple text field in their order, without empty ones; a single value is a list of
    one.
    """
    values = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else [value]
    return [found for one in values if (found := text(one))]


def money(value: Any) -> tuple[Decimal, str] | None:
    """``"300.50|KZT"`` as amount and currency; ``None`` when empty or unreadable."""
    amount, _, currency = text(value).partition("|")
    try:
        number = Decimal(amount)
    except InvalidOperation:
        return None
    return (number, currency) if number.is_finite() else None


def to_money(amount: Decimal, currency: str) -> str:
    """An amount as a money field takes it."""
    return f"{amount:f}|{currency}"


def communications(item: Mapping[str, Any]) -> list[Communication]:
    """Phones, addresses and the like of a card, from ``fm`` of ``crm.item.*`` or ``PHONE``/``EMAIL`` of older
    methods.

    A key is absent when there is nothing under it.
    """
    universal = [_universal(one) for one in _maps(item.get("fm"))]
    classic = [
        Communication(
            kind, text(one.get("VALUE")), text(one.get("VALUE_TYPE")) or "WORK", ident(one.get("ID"))
        )
        for kind in ("PHONE", "EMAIL", "WEB", "IM")
        for one in _maps(item.get(kind))
    ]
    return [one for one in [*universal, *classic] if one.value]


def to_fm(new: Iterable[Communication]) -> list[dict[str, str]]:
    """Communications of a card that is being created (``fm`` of ``crm.item.add``)."""
    return [{"typeId": one.kind, "valueType": one.value_type, "value": one.value} for one in new]


def to_fm_update(new: Iterable[Communication]) -> dict[str, dict[str, str]]:
    """Communications added to an existing card (``fm`` of ``crm.item.update``); those it has stay
    untouched.
    """
    return {f"n{index}": one for index, one in enumerate(to_fm(new))}


def _universal(one: Mapping[str, Any]) -> Communication:
    return Communication(
        text(one.get("typeId")).upper(),
        text(one.get("value")),
        text(one.get("valueType")) or "WORK",
        ident(one.get("id")),
    )


def _maps(value: Any) -> list[Mapping[str, Any]]:
    values = list(value.values()) if isinstance(value, Mapping) else value
    return [one for one in values if isinstance(one, Mapping)] if isinstance(values, list) else []


def _parsed(value: Any) -> datetime | None:
    if not isinstance(value, str) or not 8 <= len(value) <= 40:
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        pass
    for shape in ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y"):
        try:
            # Naive on purpose: this spelling has no zone, the caller says which.
            return datetime.strptime(value, shape)  # noqa: DTZ007
        except ValueError:
            continue
    return None
