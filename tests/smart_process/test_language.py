from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from smart_process.language import choose, lately, moment, number, period, translator

AT = datetime(2026, 11, 24, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("lang", "zone", "expected"),
    [
        ("ru", "Asia/Almaty", "24 ноября 2026 г., 10:00–18:00 (Алматы, UTC+5)"),
        ("ru", "Europe/Moscow", "24 ноября 2026 г., 08:00–16:00 (Москва, UTC+3)"),
        ("ru", "America/New_York", "24 ноября 2026 г., 00:00–08:00 (Нью-Йорк, UTC−5)"),
        ("ru", "Asia/Kolkata", "24 ноября 2026 г., 10:30–18:30 (Kolkata, UTC+5:30)"),
        ("ru", "UTC", "24 ноября 2026 г., 05:00–13:00 (UTC)"),
        ("ru", "Etc/GMT-5", "24 ноября 2026 г., 10:00–18:00 (UTC+5)"),
        ("en", "Asia/Almaty", "November 24, 2026, 10:00 AM–6:00 PM (Almaty, UTC+5)"),
        ("kk", "Asia/Almaty", "2026 ж. 24 қараша, 10:00–18:00 (Алматы, UTC+5)"),
    ],
)
def test_a_period_is_written_in_the_events_zone(lang: str, zone: str, expected: str) -> None:
    written = period(AT, AT + timedelta(hours=8), ZoneInfo(zone), translator(lang))
    assert written.replace("\u00a0", " ") == expected


def test_summer_time_counts_on_the_day_of_the_event() -> None:
    july = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert "14:00 (Берлин, UTC+2)" in period(july, None, ZoneInfo("Europe/Berlin"), translator("ru"))
    assert "(Берлин, UTC+1)" in period(AT, None, ZoneInfo("Europe/Berlin"), translator("ru"))


def test_an_event_over_midnight_names_both_days() -> None:
    written = period(AT, AT + timedelta(hours=15), ZoneInfo("Asia/Almaty"), translator("ru"))
    assert "24 ноября" in written
    assert "25 ноября" in written


def test_without_a_start_nothing_is_written() -> None:
    assert period(None, AT, ZoneInfo("UTC"), translator("ru")) == ""


def test_a_moment_is_written_in_the_zone_given() -> None:
    written = moment(AT, ZoneInfo("Asia/Almaty"), translator("ru"))
    assert written.replace("\u00a0", " ") == "24 ноября 2026 г., 10:00"


def test_a_moment_of_today_is_its_time() -> None:
    """The event's day counts: in Almaty the next one has begun before it has in UTC."""
    zone, _ = ZoneInfo("Asia/Almaty"), translator("ru")
    assert lately(AT, AT + timedelta(hours=13), zone, _) == "10:00"
    assert lately(AT, AT + timedelta(hours=14), zone, _) == moment(AT, zone, _)


@pytest.mark.parametrize(("lang", "expected"), [("ru", "1 250,5"), ("en", "1,250.5"), ("kk", "1 250,5")])
def test_a_number_is_written_as_the_language_does(lang: str, expected: str) -> None:
    assert number(1250.46, translator(lang)).replace("\u00a0", " ") == expected
    assert number(3.0, translator(lang)) == "3"


@pytest.mark.parametrize(
    ("asked", "accepted", "default", "expected"),
    [
        ("kk", ["en"], "ru", "kk"),
        ("kz", [], "ru", "kk"),  # as Bitrix24 says it
        ("xx", ["kk-KZ", "en"], "ru", "kk"),
        (None, ["de", "en-US"], "ru", "en"),
        (None, ["*"], "kk", "kk"),
        (None, [], "de", "ru"),
        ("../../etc", ["\x00"], "ru", "ru"),
    ],
)
def test_the_language_is_the_first_we_speak(
    asked: str | None, accepted: list[str], default: str, expected: str
) -> None:
    assert choose(asked, accepted, default) == expected


def test_a_text_without_translation_stays_russian() -> None:
    assert translator("en")("Такого текста нет нигде: %(n)s", n=5) == "Такого текста нет нигде: 5"
    assert translator("xx")("Фамилия") == "Фамилия"
