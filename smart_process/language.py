"""Texts in the reader's language, and moments in the event's zone as people write them.

The Russian text is the key; a missing translation falls back to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError
from babel.core import parse_locale
from babel.dates import format_date, format_time, get_timezone_location
from babel.numbers import format_decimal
from babel.support import NullTranslations, Translations

LANGUAGES = ("ru", "en", "kk")
UTC = ZoneInfo("UTC")
DEFAULT = "ru"
CATALOGUES = Path(__file__).resolve().parent.parent / "placements" / "translations"


class Translator:
    """Gettext of one language. Calling it translates and fills in ``%(name)s`` parameters."""

    def __init__(self, lang: str) -> None:
        self.lang = lang
        self.locale = Locale(lang)
        self._catalogue: NullTranslations = Translations.load(str(CATALOGUES), [lang])

    def __call__(self, text: str, **values: Any) -> str:
        found = self._catalogue.gettext(text) or text
        return found % values if values else found


@lru_cache(maxsize=8)
def translator(lang: str) -> Translator:
    """The translator of a language; of Russian for one we do not speak."""
    return Translator(lang if lang in LANGUAGES else DEFAULT)


def choose(asked: str | None, accepted: Iterable[str], default: str = DEFAULT) -> str:
    """The language of a page.

    Args:
        asked: what the link says (``?lang=``); unknown ones are ignored.
        accepted: language tags of the browser, the most wanted first ("kk-KZ", "en").
    """
    for tag in (asked or "", *accepted):
        lang = _language_of(tag)
        if lang in LANGUAGES:
            return lang
    return default if default in LANGUAGES else DEFAULT


PORTALS = {"kz": "kk"}
"""Languages a portal names otherwise than everybody else (catalog-price-type-lang-get-languages.md: ``lid`` kz)."""


def _language_of(tag: str) -> str:
    tag = PORTALS.get(tag, tag)
    try:
        return str(parse_locale(tag, sep="-")[0])
    except (ValueError, UnknownLocaleError):
        return ""


def day(moment: datetime, zone: ZoneInfo, _: Translator) -> str:
    """«24 ноября 2026 г.» in the zone given."""
    return _plain(format_date(moment.astimezone(zone), "long", locale=_.locale))


def moment(at: datetime, zone: ZoneInfo, _: Translator) -> str:
    """«24 ноября 2026 г., 10:05» in the zone given."""
    return f"{day(at, zone, _)}, {_clock(at, zone, _)}"


def lately(at: datetime, now: datetime, zone: ZoneInfo, _: Translator) -> str:
    """«10:05» for a moment of today in the zone given, :func:`moment` for any other."""
    today = at.astimezone(zone).date() == now.astimezone(zone).date()
    return _clock(at, zone, _) if today else moment(at, zone, _)


def number(value: float, _: Translator) -> str:
    """«1 250,5»: at most one digit after the comma, as the language writes it."""
    return _plain(format_decimal(value, format="#,##0.#", locale=_.locale))


def viewers_zone(name: str) -> ZoneInfo:
    """A viewer's zone as the portal names it; UTC when it names none we know."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def viewers_moment(at: datetime, zone: str, _: Translator) -> str:
    """:func:`moment` in a viewer's zone as the portal names it; «… UTC» when it names none we know."""
    found = viewers_zone(zone)
    return moment(at, found, _) if found is not UTC else f"{moment(at, UTC, _)} UTC"


def period(starts_at: datetime | None, ends_at: datetime | None, zone: ZoneInfo, _: Translator) -> str:
    """«24 ноября 2026 г., 10:00–18:00 (Алматы, UTC+5)» in the zone given; "" without a start."""
    if starts_at is None:
        return ""
    if ends_at is None:
        text = moment(starts_at, zone, _)
    elif starts_at.astimezone(zone).date() == ends_at.astimezone(zone).date():
        text = f"{day(starts_at, zone, _)}, {_clock(starts_at, zone, _)}–{_clock(ends_at, zone, _)}"
    else:
        text = f"{moment(starts_at, zone, _)} – {moment(ends_at, zone, _)}"
    return f"{text} ({zone_name(starts_at, zone, _)})"


def zone_name(at: datetime, zone: ZoneInfo, _: Translator) -> str:
    """A zone as guests know it: its city and its distance from UTC at that moment."""
    minutes = int((at.astimezone(zone).utcoffset() or timedelta()).total_seconds()) // 60
    sign = "−" if minutes < 0 else "+"
    rest = f":{abs(minutes) % 60:02d}" if minutes % 60 else ""
    short = f"UTC{sign}{abs(minutes) // 60}{rest}" if minutes else "UTC"
    if "/" not in zone.key or zone.key.startswith("Etc/"):
        return short
    return f"{get_timezone_location(zone, locale=_.locale, return_city=True)}, {short}"


def _clock(at: datetime, zone: ZoneInfo, _: Translator) -> str:
    return _plain(format_time(at.astimezone(zone), "short", locale=_.locale))


def _plain(text: str) -> str:
    """Narrow no-break spaces are missing in many fonts of mail programs."""
    return text.replace("\u202f", "\u00a0")
