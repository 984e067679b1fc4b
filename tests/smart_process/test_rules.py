"""Which rule decides about whom, and which rules are refused."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_process.rules import (
    CLOSING,
    DEFAULT_RULES,
    LIVE,
    BadRule,
    Rule,
    Subject,
    check,
    check_condition,
    first_match,
    matches,
    version,
)


def someone(*flags: str, arrived: int = 1, **values: Any) -> Subject:
    return Subject(flags=frozenset(flags), arrived=arrived, **{"guests": 1} | values)


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (someone("quote_requested"), ("deal", "high", timedelta(hours=1), LIVE)),
        (someone("quote_requested", "product_interest"), ("deal", "high", timedelta(hours=1), LIVE)),
        (someone("quote_requested", arrived=0), ("deal", "high", timedelta(hours=1), LIVE)),
        (someone("closed_session", "product_interest"), ("deal", "medium", timedelta(days=1), LIVE)),
        (someone("product_interest"), ("task", "medium", timedelta(days=3), CLOSING)),
        (someone(), ("task", "low", timedelta(weeks=2), CLOSING)),
        (someone("closed_session"), None),
        (someone("materials_requested"), None),
        (someone(arrived=0, no_shows=1, potential="high"), ("task", "low", timedelta(weeks=2), CLOSING)),
        (someone(arrived=0, no_shows=1, potential="medium"), None),
        (someone(arrived=1, no_shows=1, potential="high"), ("task", "low", timedelta(weeks=2), CLOSING)),
        (someone(arrived=0), None),
        (Subject(), None),
    ],
)
def test_the_default_table_decides(subject: Subject, expected: tuple[Any, ...] | None) -> None:
    rule = first_match(DEFAULT_RULES, subject)
    assert (rule and (rule.kind, rule.priority, rule.within, rule.when)) == expected


def test_somebody_of_the_company_coming_is_not_a_no_show_of_the_company() -> None:
    rule = first_match(DEFAULT_RULES, someone(arrived=1, no_shows=2, potential="high"))
    assert rule is not None
    assert rule.key == "arrived"


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"field": "flags", "op": "has", "value": "a"}, True),
        ({"field": "flags", "op": "has_any", "value": ["x", "b"]}, True),
        ({"field": "flags", "op": "has_any", "value": ["x"]}, False),
        ({"field": "product_lines", "op": "empty"}, True),
        ({"field": "region", "op": "eq", "value": "Алматы"}, True),
        ({"field": "region", "op": "in", "value": ["Астана", "Алматы"]}, True),
        ({"field": "region", "op": "ne", "value": "Алматы"}, False),
        ({"field": "guests", "op": "ge", "value": 3}, True),
        ({"field": "hours", "op": "le", "value": 2}, False),
        ({"field": "phase", "op": "eq", "value": "live"}, True),
        ({"not": {"field": "flags", "op": "has", "value": "a"}}, False),
        (
            {
                "any": [
                    {"field": "guests", "op": "eq", "value": 9},
                    {"field": "flags", "op": "has", "value": "b"},
                ]
            },
            True,
        ),
        ({"all": [{"field": "guests", "op": "eq", "value": 3}, {"field": "flags", "op": "empty"}]}, False),
    ],
)
def test_a_condition_is_asked_of_a_subject(condition: dict[str, Any], holds: bool) -> None:
    check_condition(condition)
    subject = Subject(flags=frozenset("ab"), guests=3, region="Алматы", hours=2.5)
    assert matches(condition, subject) is holds


@pytest.mark.parametrize(
    "condition",
    [
        None,
        "flags",
        [],
        {},
        {"all": []},
        {"all": {"field": "guests"}},
        {"any": "flags"},
        {"all": [{"field": "flags", "op": "empty"}], "any": []},
        {"field": "password", "op": "eq", "value": "x"},
        {"field": "__class__", "op": "eq", "value": "x"},
        {"field": "flags", "op": "eval", "value": "x"},
        {"field": "flags", "op": ["has"], "value": "x"},
        {"field": "flags", "op": "ge", "value": 1},
        {"field": "guests", "op": "ge", "value": "1"},
        {"field": "guests", "op": "ge", "value": True},
        {"field": "region", "op": "in", "value": "Алматы"},
        {"field": "stages", "op": "has", "value": "on_the_moon"},
        {"field": ["flags"], "op": "has", "value": "x"},
    ],
)
def test_what_is_no_condition_is_refused(condition: Any) -> None:
    with pytest.raises(BadRule):
        check_condition(condition)


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["all", "any", "not", "field", "op", "value"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(json)
def test_a_condition_is_refused_or_can_be_applied(condition: Any) -> None:
    try:
        check_condition(condition)
    except BadRule:
        return
    matches(condition, Subject())


def test_a_condition_without_end_is_refused() -> None:
    condition: dict[str, Any] = {"field": "flags", "op": "empty"}
    for _ in range(50):
        condition = {"not": condition}
    with pytest.raises(BadRule):
        check_condition(condition)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "lead"},
        {"priority": "urgent"},
        {"when": "later"},
        {"within": timedelta(0)},
        {"condition": {"field": "x", "op": "eq", "value": 1}},
    ],
)
def test_a_wrong_rule_is_named(wrong: dict[str, Any]) -> None:
    rule = dataclasses.replace(DEFAULT_RULES[0], **wrong)
    with pytest.raises(BadRule, match="quote_requested"):
        check([rule])


def test_two_rules_with_one_key_are_refused() -> None:
    with pytest.raises(BadRule):
        check([DEFAULT_RULES[0], DEFAULT_RULES[0]])


def test_the_version_changes_with_any_change_of_the_table_and_only_then() -> None:
    def changed(**values: Any) -> tuple[Rule, ...]:
        return (dataclasses.replace(DEFAULT_RULES[0], **values), *DEFAULT_RULES[1:])

    tables = [
        DEFAULT_RULES,
        DEFAULT_RULES[::-1],
        changed(priority="low"),
        changed(within=timedelta(hours=2)),
        changed(condition={"field": "flags", "op": "empty"}),
    ]
    assert len({version(table) for table in tables}) == len(tables)
    assert version(DEFAULT_RULES) == version(changed())
    assert 0 <= version(DEFAULT_RULES) < 2**31
