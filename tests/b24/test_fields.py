"""Values in all the spellings of the portal."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b24 import fields
from b24.fields import Communication

ALMATY = ZoneInfo("Asia/Almaty")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-05-21T15:14:26+03:00", datetime(2024, 5, 21, 12, 14, 26, tzinfo=UTC)),
        ("2024-05-21T15:14:26Z", datetime(2024, 5, 21, 15, 14, 26, tzinfo=UTC)),
        ("2024-05-21T15:14:26", None),
        ("04.05.2025 16:15:04", None),
        ("", None),
        (None, None),
        (False, None),
        ([], None),
        ("0000-00-00", None),
        (0, None),
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_moment_is_aware_utc_or_nothing(value: Any, expected: datetime | None) -> None:
    assert fields.moment(value) == expected


def test_spelling_without_offset_is_read_in_the_zone_the_caller_knows() -> None:
    expected = datetime(2025, 5, 4, 11, 15, 4, tzinfo=UTC)
    assert fields.moment("04.05.2025 16:15:04", zone=ALMATY) == expected
    assert fields.moment("2025-05-04 16:15:04", zone=ALMATY) == expected


@pytest.mark.parametrize(
    "value", ["2026-03-01T00:00:00+03:00", "2026-03-01T03:00:00+03:00", "2026-03-01", "01.03.2026"]
)
def test_day_stands_as_written_whatever_the_offset(value: str) -> None:
    assert fields.day(value) == date(2026, 3, 1)


def test_naive_moment_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        fields.to_moment(datetime(2026, 1, 1))  # noqa: DTZ001


@given(
    st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2090, 1, 1)),  # noqa: DTZ001
    st.integers(-11, 14),
)
def test_moment_survives_the_way_there_and_back(naive: datetime, hours: int) -> None:
    value = naive.replace(tzinfo=timezone(timedelta(hours=hours)))
    assert fields.moment(fields.to_moment(value)) == fields.whole_second(value)


def test_empty_dates_clear_fields() -> None:
    assert fields.to_moment(None) == fields.to_day(None) == ""
    assert fields.to_day(date(2026, 3, 1)) == "2026-03-01"


def test_filter_takes_the_portal_s_own_time_without_offset() -> None:
    assert fields.to_filter("2026-11-21T10:20:30+05:00") == "2026-11-21 10:20:30"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Y", True),
        ("N", False),
        (True, True),
        (False, False),
        ("1", True),
        ("0", False),
        (1, True),
        (0, False),
        ("true", True),
        ("false", False),
        ("", None),
        (None, None),
        ("undefined", None),
        ([], None),
        (2, None),
    ],
)
def test_flag_is_read_in_every_spelling(value: Any, expected: bool | None) -> None:
    assert fields.flag(value) is expected


def test_flag_is_written_differently_in_fields_and_filters() -> None:
    assert (fields.to_flag(True), fields.to_flag(False)) == ("Y", "N")
    assert (fields.to_filter_flag(True), fields.to_filter_flag(False)) == (1, 0)


@pytest.mark.parametrize("value", [0, "0", "", None, False, "undefined", [], {}])
def test_no_link_has_many_spellings(value: Any) -> None:
    assert fields.ident(value) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [([1, "2", 0, "", None], [1, 2]), (False, []), (None, []), ({"a": "5"}, [5]), ("7", [7]), (7, [7])],
)
def test_ids_of_a_list(value: Any, expected: list[int]) -> None:
    assert fields.idents(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, ""), (False, ""), (" a ", "a"), (12, "12"), ([], ""), ({}, "")],
)
def test_text_is_never_null(value: Any, expected: str) -> None:
    assert fields.text(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["a", "", " b ", None], ["a", "b"]),
        ([], []),
        (False, []),
        ("a", ["a"]),
        ({"n0": "a"}, ["a"]),
        ("", []),
    ],
)
def test_multiple_text_is_a_list_without_empty_ones(value: Any, expected: list[str]) -> None:
    assert fields.texts(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("300|RUB", (Decimal(300), "RUB")),
        ("300.50|KZT", (Decimal("300.50"), "KZT")),
        ("5", (Decimal(5), "")),
        ("", None),
        ("|RUB", None),
        (None, None),
        ("NaN|RUB", None),
        ("x|y", None),
    ],
)
def test_money_is_amount_and_currency(value: Any, expected: Any) -> None:
    assert fields.money(value) == expected


def test_money_is_written_plainly() -> None:
    assert fields.to_money(Decimal("1E+3"), "KZT") == "1000|KZT"


def test_communications_are_read_from_both_generations_of_methods() -> None:
    phone = Communication("PHONE", "+77010000000", "MOBILE", 3)
    mail = Communication("EMAIL", "a@example.test", "WORK", 4)
    universal = {
        "fm": [
            {"id": 3, "typeId": "PHONE", "valueType": "MOBILE", "value": "+77010000000"},
            {"id": 4, "typeId": "EMAIL", "value": "a@example.test"},
            {"id": 5, "typeId": "EMAIL", "value": ""},
        ]
    }
    classic = {
        "PHONE": [{"ID": "3", "VALUE": "+77010000000", "VALUE_TYPE": "MOBILE"}],
        "EMAIL": [{"ID": "4", "VALUE": "a@example.test", "VALUE_TYPE": "WORK"}],
    }
    assert fields.communications(universal) == fields.communications(classic) == [phone, mail]
    assert fields.communications({}) == fields.communications({"fm": False, "PHONE": "x"}) == []


def test_communications_are_added_under_new_keys() -> None:
    new = [Communication("PHONE", "+77010000000"), Communication("EMAIL", "a@example.test")]
    assert fields.to_fm(new)[0] == {"typeId": "PHONE", "valueType": "WORK", "value": "+77010000000"}
    assert list(fields.to_fm_update(new)) == ["n0", "n1"]
