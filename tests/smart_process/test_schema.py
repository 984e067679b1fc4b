"""The declared schema fits itself, and what is kept of it per portal survives the database."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from b24.store.engine import Store
from smart_process.facts import Stage
from smart_process.schema import (
    DEAL,
    DEAL_FIELDS,
    FLAGS,
    PLACEMENTS,
    TYPES,
    Binding,
    TypeBinding,
    TypeSpec,
    Words,
    field_label,
    flag_field,
    flag_of,
    userfield_name,
    version,
)
from smart_process.settings import SegmentFields, Settings, Smtp
from smart_process.store import setups
from tests.door import add_portal

BINDING = Binding(
    event=TypeBinding(3, 1040, 5, {"open": "DT1040_5:CLIENT"}, {"starts_at": "ufCrm3EaStarts"}),
    participation=TypeBinding(
        4,
        1042,
        6,
        {Stage.ARRIVED: "DT1042_6:ARRIVED"},
        {"priority": "ufCrm4EaPriority"},
        {"priority": {"high": 11, "low": 12}},
    ),
    deal=TypeBinding(0, DEAL, fields={"priority": "ufCrm_DEAL_EA_PRIORITY"}),
    version="abc",
)


@pytest.mark.parametrize("spec", TYPES.values(), ids=TYPES)
def test_each_type_has_one_success_some_failures_and_the_stages_in_order(spec: TypeSpec) -> None:
    kinds = [one.semantics for one in spec.stages]
    assert kinds.count("S") == 1
    assert kinds == sorted(kinds, key=["", "S", "F"].index)
    assert {"", "F"} <= set(kinds)
    assert len({one.code for one in spec.stages}) == len({one.key for one in spec.stages}) == len(spec.stages)


def test_stages_of_a_participation_are_those_of_the_domain() -> None:
    assert {one.key for one in TYPES["participation"].stages} == {stage.value for stage in Stage}


@pytest.mark.parametrize("spec", TYPES.values(), ids=TYPES)
def test_names_of_fields_are_allowed_and_told_apart(spec: TypeSpec) -> None:
    names = [userfield_name(99999, one.code) for one in spec.fields]
    assert len(set(names)) == len({one.name for one in spec.fields}) == len(spec.fields)
    assert all(re.fullmatch(r"UF_CRM_\d+_[A-Z0-9_]+", name) and len(name) <= 50 for name in names)
    # Letters only behind the number: those are converted to camel case and back without exceptions.
    assert all(re.fullmatch(r"[A-Z_]+", one.code) for one in spec.fields)


@pytest.mark.parametrize("spec", TYPES.values(), ids=TYPES)
def test_the_card_layout_names_known_fields_once(spec: TypeSpec) -> None:
    shown = [name for _, _, names in spec.layout for name in names]
    assert len(shown) == len(set(shown))
    system = {"TITLE", "ASSIGNED_BY_ID", "CLIENT", "OBSERVER", "PARENT:event", "PARENT:2"}
    assert set(shown) <= spec.names() | system
    assert spec.names() - set(shown) == {"marker"}


def test_fields_we_fill_say_so() -> None:
    told = {one.name: field_label(one)["ru"] for one in TYPES["participation"].fields}
    assert told["gate"] == "Вход (заполняет приложение)"
    assert told["note"] == "Заметка"
    assert all("заполняет приложение" in field_label(one)["ru"] for one in DEAL_FIELDS)


def test_a_flag_and_its_field_find_each_other() -> None:
    assert [flag_of(flag_field(flag)) for flag in FLAGS] == list(FLAGS)
    assert flag_of("gate") is None
    assert flag_of("flag_unknown") is None


@pytest.mark.parametrize(("language", "text"), [("ru", "р"), ("en", "e"), ("kk", "қ"), ("de", "р")])
def test_words_fall_back_to_russian(language: str, text: str) -> None:
    assert Words("р", "e", "қ").get(language) == text


def test_a_binding_is_the_same_after_the_database_and_answers_both_ways(either_store: Store) -> None:
    portal_id = add_portal(either_store)
    with either_store.transaction() as tx:
        assert not setups.known(tx, portal_id)
        with pytest.raises(LookupError):
            _ = setups.read(tx, portal_id).bound
        setups.write_progress(tx, portal_id, {"run": "1"})
        setups.write_binding(tx, portal_id, BINDING)
        setups.write_settings(tx, portal_id, Settings(closing_delay_min=0), now=datetime.now(UTC))
    with either_store.reading() as tx:
        setup = setups.read(tx, portal_id)
    assert setup.bound == BINDING
    assert setup.progress == {"run": "1"}
    assert setup.settings.closing_delay_min == 0
    part = setup.bound.participation
    assert part.stage_key("DT1042_6:ARRIVED") == Stage.ARRIVED
    assert part.stage_key("DT1042_6:VIP") is None
    assert part.field_name("ufCrm4EaPriority") == "priority"
    assert [part.option_key("priority", one) for one in (11, "12", 13, None)] == ["high", "low", None, None]
    assert setup.bound.of(1042) == part
    assert setup.bound.of(31) is None
    assert (setup.bound.parent_event, setup.bound.parent_deal) == ("parentId1040", "parentId2")


def test_settings_survive_and_ignore_what_other_versions_wrote() -> None:
    chosen = Settings(
        region="RU",
        form_events={"7": 3},
        segment=SegmentFields(potential="ufCrm_1", potentials={"44": "high"}),
        smtp=Smtp(host="mail.example", password="x"),
    )
    data = chosen.to_json() | {"future": 1}
    data["smtp"]["future"] = 1
    assert Settings.from_json(data) == chosen
    assert Settings.from_json({}) == Settings()


def test_the_version_tells_declarations_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    before = version()
    assert before == version()
    monkeypatch.setattr("smart_process.schema.EVENTS", ("ONCRMDEALADD",))
    assert version() != before


def test_placement_codes_carry_the_portals_own_types() -> None:
    assert [one.code_in({"event": 1040, "participation": 1042}) for one in PLACEMENTS] == [
        "CRM_DYNAMIC_1040_DETAIL_TAB",
        "CRM_DYNAMIC_1042_DETAIL_TAB",
        "CRM_CONTACT_DETAIL_TAB",
        "CRM_COMPANY_DETAIL_TAB",
        "CRM_DEAL_DETAIL_TAB",
    ]
