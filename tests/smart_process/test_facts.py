"""What follows from facts: a case table, and what holds for any order of any facts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_process.facts import (
    FAILURES,
    PATH,
    RANK,
    Kind,
    NewFact,
    Stage,
    State,
    project,
    reached_bits,
    reached_stages,
)

DAY = datetime(2026, 5, 12, 4, 0, tzinfo=UTC)


def fact(text: str, number: int = 0) -> NewFact:
    """``"arrived@60 gate=Main"``: kind, minutes after the start of the day, data. ``by`` is the actor."""
    head, *pairs = text.split()
    kind, _, minute = head.partition("@")
    data = dict(pair.split("=", 1) for pair in pairs)
    return NewFact(
        Kind(kind),
        DAY + timedelta(minutes=int(minute or number)),
        data.pop("by", "app"),
        data.pop("key", f"k{number}"),
        gate=data.pop("gate", ""),
        data=data,
    )


def state_of(*texts: str) -> State:
    return project(fact(text, number) for number, text in enumerate(texts))


SELECTED, INVITED, REGISTERED = "selected", "message_sent kind=invitation", "registered source=page"
ARRIVED, QUOTE = "arrived gate=Main", "flag_set flag=quote_requested"

STAGES: dict[str, tuple[list[str], Stage]] = {
    "nothing known": ([], Stage.SELECTED),
    "selected": ([SELECTED], Stage.SELECTED),
    "an invitation that was sent": ([SELECTED, INVITED], Stage.INVITED),
    "another mail moves nobody": ([SELECTED, "message_sent kind=ticket"], Stage.SELECTED),
    "registered without invitation": ([REGISTERED], Stage.REGISTERED),
    "an invitation after registering": ([REGISTERED, INVITED], Stage.REGISTERED),
    "arrived": ([REGISTERED, ARRIVED], Stage.ARRIVED),
    "a flag alone engages nobody who is not there": ([REGISTERED, QUOTE], Stage.REGISTERED),
    "a flag and then the arrival": ([REGISTERED, QUOTE, ARRIVED], Stage.ENGAGED),
    "engaged": ([REGISTERED, ARRIVED, QUOTE], Stage.ENGAGED),
    "the only flag withdrawn": (
        [REGISTERED, ARRIVED, QUOTE, "flag_withdrawn flag=quote_requested"],
        Stage.ARRIVED,
    ),
    "handed over": ([REGISTERED, ARRIVED, QUOTE, "outcome_created kind=deal"], Stage.HANDED),
    "the outcome taken back": (
        [REGISTERED, ARRIVED, QUOTE, "outcome_created", "outcome_withdrawn"],
        Stage.ENGAGED,
    ),
    "won": ([REGISTERED, ARRIVED, "outcome_created", "won deal_id=7"], Stage.WON),
    "reopened": ([REGISTERED, ARRIVED, "outcome_created", "won", "reopened"], Stage.HANDED),
    "cancelled by the guest": ([REGISTERED, "cancelled"], Stage.DECLINED),
    "registered again after cancelling": ([REGISTERED, "cancelled", REGISTERED], Stage.REGISTERED),
    "no-show": ([REGISTERED, "no_show"], Stage.NO_SHOW),
    "a late arrival undoes the no-show": ([REGISTERED, "no_show", ARRIVED], Stage.ARRIVED),
    "an arrival learned after the closing": ([REGISTERED, "no_show@600", "arrived@60"], Stage.ARRIVED),
    "nobody who came is a no-show": ([REGISTERED, ARRIVED, "no_show"], Stage.ARRIVED),
    "a no-show with a task stays one": ([REGISTERED, "no_show", "outcome_created kind=task"], Stage.NO_SHOW),
    "an annulled arrival": ([REGISTERED, ARRIVED, "arrival_annulled"], Stage.REGISTERED),
    "one of two arrivals annulled": (
        [REGISTERED, "arrived key=a", "arrived key=b", "arrival_annulled annuls=a"],
        Stage.ARRIVED,
    ),
    "an arrival after the annulment": (
        [REGISTERED, ARRIVED, "arrival_annulled", ARRIVED],
        Stage.ARRIVED,
    ),
    "a person moves to Registered": ([SELECTED, "stage_moved to=registered"], Stage.REGISTERED),
    "a person moves to Arrived": ([REGISTERED, "stage_moved to=arrived"], Stage.ARRIVED),
    "a person moves ahead to Engaged": ([REGISTERED, "stage_moved to=engaged"], Stage.ENGAGED),
    "what a person chose stands until a fact goes further": (
        [REGISTERED, "stage_moved to=engaged", ARRIVED],
        Stage.ENGAGED,
    ),
    "a fact goes further": ([REGISTERED, "stage_moved to=arrived", QUOTE], Stage.ENGAGED),
    "a person moves back": ([REGISTERED, ARRIVED, QUOTE, "stage_moved to=registered"], Stage.REGISTERED),
    "back, then a new scan": (
        [REGISTERED, ARRIVED, "stage_moved to=registered", "arrived key=again"],
        Stage.ARRIVED,
    ),
    "back to Arrived forgets the engagement until the next flag": (
        [REGISTERED, ARRIVED, QUOTE, "stage_moved to=arrived", "flag_set flag=question_asked"],
        Stage.ENGAGED,
    ),
    "not relevant": ([REGISTERED, "stage_moved to=not_relevant"], Stage.NOT_RELEVANT),
    "a failure a person chose after the arrival stays": (
        [REGISTERED, "arrived@60", "stage_moved@90 to=not_relevant"],
        Stage.NOT_RELEVANT,
    ),
    "also when the arrival is learned later": (
        [REGISTERED, "stage_moved@90 to=not_relevant", "arrived@60"],
        Stage.NOT_RELEVANT,
    ),
    "an arrival counts after a failure that is learned later": (
        [REGISTERED, "arrived@60", "stage_moved@30 to=declined"],
        Stage.ARRIVED,
    ),
    "an arrival counts after a move back that is learned later": (
        [REGISTERED, "arrived@60", QUOTE, "stage_moved@30 to=registered"],
        Stage.ARRIVED,
    ),
    "who registers after a failure that is learned later is registered": (
        ["selected@1", "registered@60", "stage_moved@30 to=declined"],
        Stage.REGISTERED,
    ),
    "a move back after one of two arrivals": (
        [REGISTERED, "arrived@10", "arrived@60", "stage_moved@60 to=registered"],
        Stage.REGISTERED,
    ),
    "an arrival beats an earlier failure": (
        [REGISTERED, "stage_moved@30 to=declined", "arrived@60"],
        Stage.ARRIVED,
    ),
}


@pytest.mark.parametrize("case", STAGES)
def test_stage(case: str) -> None:
    facts, stage = STAGES[case]
    assert state_of(*facts).stage is stage


CANCELLED = {
    "registered": ([REGISTERED], False),
    "no-shows may still come": ([REGISTERED, "no_show"], False),
    "cancelled by the guest": ([REGISTERED, "cancelled"], True),
    "declined by a person": ([REGISTERED, "stage_moved to=declined"], True),
    "not relevant": ([REGISTERED, "stage_moved to=not_relevant"], True),
    "card removed": ([REGISTERED, "removed"], True),
    "card restored": ([REGISTERED, "removed", "restored"], False),
}


@pytest.mark.parametrize("case", CANCELLED)
def test_ticket_is_cancelled(case: str) -> None:
    facts, cancelled = CANCELLED[case]
    assert state_of(*facts).cancelled is cancelled


def test_the_earliest_true_arrival_wins_whatever_was_learned_first() -> None:
    state = state_of(REGISTERED, "arrived@90 gate=Side", "arrived@60 gate=Main")
    assert (state.arrived_at, state.gate) == (DAY + timedelta(minutes=60), "Main")


def test_arrival_by_a_stage_move_has_the_gate_of_the_crm() -> None:
    state = state_of(REGISTERED, "stage_moved@45 to=arrived")
    assert (state.gate, state.arrived_at) == ("CRM", DAY + timedelta(minutes=45))


LINES = {
    "added": (["flag_set flag=product_interest product_line=A"], {"product_interest"}, ("A",)),
    "one of two taken back": (
        [
            "flag_set flag=product_interest product_line=A",
            "flag_set flag=product_interest product_line=B",
            "flag_withdrawn flag=product_interest product_line=A",
        ],
        {"product_interest"},
        ("B",),
    ),
    "the last one taken back": (
        [
            "flag_set flag=product_interest product_line=A",
            "flag_withdrawn flag=product_interest product_line=A",
        ],
        set(),
        (),
    ),
    "the list emptied on the card leaves the flag to its own field": (
        [
            "flag_set flag=product_interest product_line=A",
            "flag_withdrawn flag=product_interest product_line=A line_only=1",
        ],
        {"product_interest"},
        (),
    ),
}


@pytest.mark.parametrize("case", LINES)
def test_product_lines(case: str) -> None:
    facts, flags, lines = LINES[case]
    state = state_of(*facts)
    assert (set(state.flags), state.product_lines) == (flags, lines)


moments = st.integers(0, 600).map(lambda minute: DAY + timedelta(minutes=minute))
simple = st.sampled_from(
    [
        (Kind.SELECTED, {}),
        (Kind.REGISTERED, {"source": "page"}),
        (Kind.ARRIVED, {}),
        (Kind.ARRIVAL_ANNULLED, {}),
        (Kind.FLAG_SET, {"flag": "quote_requested"}),
        (Kind.FLAG_WITHDRAWN, {"flag": "quote_requested"}),
        (Kind.CANCELLED, {}),
        (Kind.NO_SHOW, {}),
        (Kind.OUTCOME_CREATED, {}),
        (Kind.OUTCOME_WITHDRAWN, {}),
        (Kind.WON, {}),
        (Kind.REOPENED, {}),
        (Kind.REMOVED, {}),
        (Kind.RESTORED, {}),
        *((Kind.STAGE_MOVED, {"to": stage.value}) for stage in Stage),
    ]
)
histories = st.lists(st.tuples(simple, moments), max_size=12).map(
    lambda some: [
        NewFact(kind, at, "user:1", f"k{number}", data=data) for number, ((kind, data), at) in enumerate(some)
    ]
)


@given(histories)
def test_invariants_of_any_history(facts: list[NewFact]) -> None:
    state = project(facts)
    assert reached_stages(reached_bits(state.reached)) == state.reached
    assert (state.stage in state.reached) or state.stage in FAILURES or state.stage is PATH[0]
    if state.arrived_at is not None:
        assert Stage.ARRIVED in state.reached
    if state.stage in RANK and state.reached:
        assert RANK[state.stage] == max(RANK[stage] for stage in state.reached)
    if state.stage in (Stage.DECLINED, Stage.NOT_RELEVANT):
        assert state.cancelled
