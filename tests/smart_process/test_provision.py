"""Provisioning over REST on the sandbox portal: made once, found again, finished after any interruption."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from b24.errors import Rejected, Unavailable
from b24.sandbox.server import Options, Sandbox
from smart_process.facts import Stage
from smart_process.provision import STEPS, Provision, StaleRun
from smart_process.provision.renewal import renew
from smart_process.schema import DEAL, EVENTS, FLAGS, OFFLINE_EVENTS, PLACEMENTS, TYPES, flag_field
from smart_process.store import setups
from tests.portal_and_app import PortalAndApp, is_writing, portal_and_app


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "calls.jsonl"


@pytest.fixture
def place(tmp_path: Path, log: Path) -> Iterator[PortalAndApp]:
    options = Options(port=0, seed="empty", limits=False, log=log, pages=False)
    with Sandbox(options) as sandbox:
        made = portal_and_app(sandbox, f"sqlite:///{tmp_path / 'app.db'}")
        yield made
        made.rest.close()
        made.service.portals.close()
        made.service.store.close()


class Faulty:
    """A client that loses the connection at its n-th writing call.

    ``how`` much of that call the portal had executed: nothing, half of the batch, all.
    """

    def __init__(self, client: Any, at: int, how: str) -> None:
        self.client = client
        self.left = at
        self.how = how

    def _strikes(self, write: bool) -> bool:
        self.left -= int(write)
        return write and self.left == 0

    def call(self, method: str, params: Mapping[str, Any] | None = None, *, write: bool = False) -> Any:
        strikes = self._strikes(write)
        if strikes and self.how != "all":
            raise Unavailable("CUT")
        result = self.client.call(method, params, write=write)
        if strikes:
            raise Unavailable("CUT")
        return result

    def batch(self, commands: Mapping[str, Any], *, write: bool = False) -> Any:
        if not self._strikes(write):
            return self.client.batch(commands, write=write)
        executed = {"nothing": 0, "half": (len(commands) + 1) // 2, "all": len(commands)}[self.how]
        if executed:
            self.client.batch(dict(list(commands.items())[:executed]), write=write)
        raise Unavailable("CUT")

    def listed(self, *args: Any, **kwargs: Any) -> Any:
        return self.client.listed(*args, **kwargs)


def provision(place: PortalAndApp, client: Any = None) -> Provision:
    service = place.service
    return Provision(
        service.store,
        client or service.portals.client(place.portal_id),
        place.portal_id,
        public_url=service.public_url,
        clock=service.clock,
    )


def codes(place: PortalAndApp, key: str) -> list[str]:
    bound = getattr(place.binding, key)
    rows = place.rest(
        "crm.status.list",
        {
            "filter": {"ENTITY_ID": f"DYNAMIC_{bound.entity_type_id}_STAGE_{bound.category_id}"},
            "order": {"SORT": "ASC"},
        },
    )
    return [row["STATUS_ID"] for row in rows]


def names(place: PortalAndApp, key: str) -> dict[str, str]:
    bound = getattr(place.binding, key)
    rows = place.rest(
        "crm.status.list",
        {"filter": {"ENTITY_ID": f"DYNAMIC_{bound.entity_type_id}_STAGE_{bound.category_id}"}},
    )
    return {row["STATUS_ID"]: row["NAME"] for row in rows}


def our_types(place: PortalAndApp) -> list[str]:
    return [one["title"] for one in place.rest("crm.type.list")["types"]]


def test_a_first_run_makes_everything_and_notes_what_it_is_called(place: PortalAndApp) -> None:
    last = place.install()
    assert (last["done"], last["problem"]) == (True, None)
    assert our_types(place) == ["Мероприятие", "Участие в мероприятии"]
    binding = place.binding
    assert set(binding.participation.stages) == {stage.value for stage in Stage}
    assert set(binding.event.stages) == {one.key for one in TYPES["event"].stages}
    for bound, spec in ((binding.event, TYPES["event"]), (binding.participation, TYPES["participation"])):
        assert set(bound.fields) == spec.names()
        described = place.rest("crm.item.fields", {"entityTypeId": bound.entity_type_id})["fields"]
        assert {described[name]["upperName"] for name in bound.fields.values()} == set(bound.uppers.values())
    assert set(binding.deal.fields) == {"priority", "explanation"}
    assert set(binding.participation.enums["priority"]) == {"high", "medium", "low"}


def test_stages_stand_in_the_order_of_the_path_with_success_and_failures_last(place: PortalAndApp) -> None:
    place.install()
    for key in TYPES:
        bound = getattr(place.binding, key)
        assert codes(place, key) == [bound.stages[one.key] for one in TYPES[key].stages]
    assert set(names(place, "participation").values()) == {
        one.title.ru for one in TYPES["participation"].stages
    }


def test_items_of_both_types_can_be_made_linked_and_moved(place: PortalAndApp) -> None:
    place.install()
    binding, rest = place.binding, place.rest
    event, part = binding.event, binding.participation
    made = rest("crm.item.add", {"entityTypeId": event.entity_type_id, "fields": {"title": "Конференция"}})[
        "item"
    ]
    deal = rest(
        "crm.item.add",
        {"entityTypeId": DEAL, "fields": {"title": "Сделка", binding.parent_event: made["id"]}},
    )["item"]
    assert deal[binding.parent_event] == made["id"]
    fields = {
        "title": "Гость",
        binding.parent_event: made["id"],
        binding.parent_deal: deal["id"],
        "stageId": part.stages[Stage.ARRIVED],
        part.fields[flag_field("quote_requested")]: "Y",
        part.fields["priority"]: part.enums["priority"]["high"],
        part.fields["product_lines"]: ["Насосы", "Фильтры"],
        part.fields["arrived_at"]: "2026-11-24T10:05:00+05:00",
    }
    item = rest("crm.item.add", {"entityTypeId": part.entity_type_id, "fields": fields})["item"]
    assert item[binding.parent_event] == made["id"]
    assert item[binding.parent_deal] == deal["id"]
    assert item["stageId"] == part.stages[Stage.ARRIVED]
    assert item[part.fields["product_lines"]] == ["Насосы", "Фильтры"]
    assert part.option_key("priority", item[part.fields["priority"]]) == "high"


def test_a_task_can_be_bound_to_a_participation(place: PortalAndApp) -> None:
    place.install()
    row = place.rest("crm.type.get", {"id": place.binding.participation.id})["type"]
    assert row["linkedUserFields"]["TASKS_TASK|UF_CRM_TASK"] == "Y"


def test_a_second_run_makes_no_writing_call(place: PortalAndApp, log: Path) -> None:
    place.install()
    before, binding = len(place.calls(log)), place.binding
    last = place.install()
    assert last["done"]
    written = [method for method, _ in place.calls(log)[before:] if is_writing(method)]
    assert written == []
    assert place.binding == binding
    assert all(not one["made"] and not one["changed"] for one in last["steps"])


def test_without_our_memory_everything_is_found_by_its_marker(place: PortalAndApp, log: Path) -> None:
    place.install()
    binding = place.binding
    with place.service.store.transaction() as tx:
        setups.forget(tx, place.portal_id)
    before = len(place.calls(log))
    place.install()
    assert place.binding == binding
    assert [method for method, _ in place.calls(log)[before:] if is_writing(method)] == []


def test_names_a_person_gave_stay(place: PortalAndApp) -> None:
    place.install()
    binding, rest = place.binding, place.rest
    rest("crm.type.update", {"id": binding.event.id, "fields": {"title": "Наши форумы"}})
    rows = rest("crm.status.list", {"filter": {"STATUS_ID": binding.participation.stages["invited"]}})
    rest("crm.status.update", {"id": rows[0]["ID"], "fields": {"NAME": "Позвали"}})
    place.install()
    assert our_types(place)[0] == "Наши форумы"
    assert names(place, "participation")[binding.participation.stages["invited"]] == "Позвали"
    assert place.binding.event.title == "Наши форумы"


def test_stages_and_relations_a_person_made_stay(place: PortalAndApp) -> None:
    place.install()
    binding, rest = place.binding, place.rest
    part = binding.participation
    entity = f"DYNAMIC_{part.entity_type_id}_STAGE_{part.category_id}"
    rest("crm.status.add", {"fields": {"ENTITY_ID": entity, "STATUS_ID": "VIP", "NAME": "VIP", "SORT": 15}})
    row = rest("crm.type.get", {"id": part.id})["type"]
    parents = [
        {"entityTypeId": one["entityTypeId"], "isChildrenListEnabled": "true"}
        for one in row["relations"]["parent"]
        if one["isPredefined"] == "N" and one["entityTypeId"] != DEAL
    ]
    relations = {"parent": [*parents, {"entityTypeId": 1, "isChildrenListEnabled": "false"}], "child": []}
    rest("crm.type.update", {"id": part.id, "fields": {"relations": relations}})
    place.install()
    assert any(code.endswith(":VIP") for code in codes(place, "participation"))
    row = rest("crm.type.get", {"id": part.id})["type"]
    shown = {one["entityTypeId"]: one["isChildrenListEnabled"] for one in row["relations"]["parent"]}
    assert {1, DEAL, binding.event.entity_type_id} <= set(shown)
    assert (shown[1], shown[DEAL]) == ("N", "Y")


def test_another_type_of_the_same_title_is_not_ours(place: PortalAndApp) -> None:
    theirs = place.rest("crm.type.add", {"fields": {"title": "Мероприятие"}})["type"]
    place.install()
    assert our_types(place).count("Мероприятие") == 2
    assert place.binding.event.id != theirs["id"]


def test_what_a_person_removed_is_made_again(place: PortalAndApp) -> None:
    place.install()
    part = place.binding.participation
    found = place.rest(
        "userfieldconfig.list", {"moduleId": "crm", "filter": {"fieldName": part.uppers["gate"]}}
    )
    place.rest("userfieldconfig.delete", {"moduleId": "crm", "id": found["fields"][0]["id"]})
    rows = place.rest("crm.status.list", {"filter": {"STATUS_ID": part.stages["engaged"]}})
    place.rest("crm.status.delete", {"id": rows[0]["ID"]})
    assert place.install()["done"]
    assert place.binding.participation == part


def test_placements_and_events_on_a_former_address_move(place: PortalAndApp) -> None:
    place.install()
    place.service = _at_address(place, "http://127.0.0.1:10")
    assert provision(place).run_all().done
    client = place.service.portals.client(place.portal_id)
    assert {row["handler"] for row in client.call("placement.get")} == {
        f"http://127.0.0.1:10/b24/placement/{one.name}" for one in PLACEMENTS
    }
    bound = [row for row in client.call("event.get") if not row["offline"]]
    assert {row["handler"] for row in bound} == {"http://127.0.0.1:10/b24/events"}
    assert sorted(row["event"] for row in bound) == sorted(EVENTS)


def _at_address(place: PortalAndApp, public_url: str) -> Any:
    import dataclasses

    return dataclasses.replace(place.service, public_url=public_url)


@pytest.mark.parametrize("how", ["nothing", "half", "all"])
def test_a_run_interrupted_again_and_again_is_finished_in_the_end(place: PortalAndApp, how: str) -> None:
    place.begin()
    run, interruptions, done = provision(place).start().run, 0, False
    while not done:
        # One write succeeds before the cut, or a step whose cut write was not executed would never end.
        faulty = Faulty(place.service.portals.client(place.portal_id), 1 if how == "all" else 2, how)
        progress = provision(place, faulty).step(run)
        interruptions += progress.problem is not None
        assert progress.code in ("", "CUT")
        assert interruptions < 60
        done = progress.done
    assert interruptions > 6
    assert our_types(place) == ["Мероприятие", "Участие в мероприятии"]
    for key, spec in TYPES.items():
        assert codes(place, key) == [getattr(place.binding, key).stages[one.key] for one in spec.stages]
        assert sorted(names(place, key).values()) == sorted(one.title.ru for one in spec.stages)
    events = place.service.portals.client(place.portal_id).call("event.get")
    assert sorted(row["event"] for row in events if not row["offline"]) == sorted(EVENTS)
    assert sorted(row["event"] for row in events if row["offline"]) == sorted(OFFLINE_EVENTS)


def test_a_step_that_failed_is_tried_again_with_the_same_call(place: PortalAndApp) -> None:
    begun = place.begin()
    place.rest.control("faults", {"5xx": 1.0, "methods": ["crm.type.add"], "times": {"5xx": 1}})
    place.step(begun["session"])
    failed = place.step(begun["session"])
    assert failed["problem"]["code"]
    assert [one["state"] for one in failed["steps"]][:2] == ["done", "failed"]
    again = place.step(begun["session"])
    assert again["problem"] is None
    assert [one["state"] for one in again["steps"]][:3] == ["done", "done", "next"]


def test_a_step_that_runs_is_not_run_again_beside_it_until_it_is_taken_for_dead(place: PortalAndApp) -> None:
    begun = place.begin()
    with place.service.store.transaction() as tx:
        notes = setups.read(tx, place.portal_id).progress
        setups.write_progress(tx, place.portal_id, notes | {"busy_until": "2999-01-01T00:00:00+00:00"})
    waiting = place.step(begun["session"])
    assert (waiting["busy"], waiting["steps"][0]["state"]) == (True, "next")
    with place.service.store.transaction() as tx:
        setups.write_progress(tx, place.portal_id, notes | {"busy_until": "2000-01-01T00:00:00+00:00"})
    assert place.step(begun["session"])["steps"][0]["state"] == "done"


def test_a_second_window_waits_for_the_step_of_the_first_and_makes_nothing_twice(place: PortalAndApp) -> None:
    first = place.begin()
    place.step(first["session"])
    seen: list[dict[str, Any]] = []

    class SecondWindow(Faulty):
        """Opens the installer again while the first type is being made."""

        def call(self, method: str, params: Mapping[str, Any] | None = None, *, write: bool = False) -> Any:
            if method == "crm.type.add" and not seen:
                second = place.begin()
                seen.extend([second, place.step(second["session"])])
            return self.client.call(method, params, write=write)

    client = SecondWindow(place.service.portals.client(place.portal_id), 0, "nothing")
    with place.service.store.reading() as tx:
        run = setups.read(tx, place.portal_id).progress["run"]
    with pytest.raises(StaleRun):
        provision(place, client).step(run)
    second, waiting = seen
    assert waiting["busy"]
    for _ in STEPS:
        last = place.step(second["session"])
    assert last["done"]
    assert our_types(place) == ["Мероприятие", "Участие в мероприятии"]


def test_where_funnels_are_not_supported_the_one_there_is_is_found(place: PortalAndApp) -> None:
    place.begin()

    class WithoutFunnels(Faulty):
        def call(self, method: str, params: Mapping[str, Any] | None = None, *, write: bool = False) -> Any:
            if method == "crm.category.list":
                raise Rejected("ENTITY_TYPE_NOT_SUPPORTED")
            return self.client.call(method, params, write=write)

    client = WithoutFunnels(place.service.portals.client(place.portal_id), 0, "nothing")
    assert provision(place, client).run_all().done
    told = place.rest("crm.category.list", {"entityTypeId": place.binding.event.entity_type_id})
    assert place.binding.event.category_id == told["categories"][0]["id"]


def test_an_installed_portal_is_brought_up_to_date_without_a_person(place: PortalAndApp) -> None:
    place.install()
    part = place.binding.participation
    found = place.rest(
        "userfieldconfig.list", {"moduleId": "crm", "filter": {"fieldName": part.uppers["gate"]}}
    )
    place.rest("userfieldconfig.delete", {"moduleId": "crm", "id": found["fields"][0]["id"]})
    assert renew(place.service, place.portal_id).done
    described = place.rest("crm.item.fields", {"entityTypeId": part.entity_type_id})["fields"]
    assert part.fields["gate"] in described


def test_a_newer_run_makes_an_older_one_stop(place: PortalAndApp) -> None:
    first, second = place.begin(), place.begin()
    reply = place.web.post("/b24/install/step", headers={"X-Page-Session": first["session"]})
    assert reply.status_code == 409
    assert place.step(second["session"])["steps"][0]["state"] == "done"
    with pytest.raises(StaleRun):
        provision(place).step("0123")


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("CREATE_DYNAMIC_TYPE_RESTRICTED", "Тариф"),
        ("ACCESS_DENIED", "Не хватает прав"),
        ("insufficient_scope", "прав"),
        ("SOMETHING", "отказал"),
    ],
)
def test_a_refusal_says_what_to_do(place: PortalAndApp, code: str, says: str) -> None:
    place.begin()

    class Refusing(Faulty):
        def call(self, method: str, params: Mapping[str, Any] | None = None, *, write: bool = False) -> Any:
            if write:
                raise Rejected(code)
            return self.client.call(method, params)

    client = Refusing(place.service.portals.client(place.portal_id), 0, "nothing")
    last = provision(place, client).run_all()
    assert last.problem is not None
    assert says in last.problem.ru
    assert last.code == code


def test_missing_scopes_are_named(tmp_path: Path) -> None:
    with Sandbox(Options(port=0, seed="empty", limits=False, pages=False)) as sandbox:
        place = portal_and_app(
            sandbox, f"sqlite:///{tmp_path / 'app.db'}", scopes=["crm", "placement", "user_basic"]
        )
        problem = place.install()["problem"]
    assert "userfieldconfig" in problem["text"]
    assert "task" in problem["text"]


def test_every_step_has_words_in_three_languages_and_every_flag_a_field() -> None:
    for step in STEPS:
        assert all((step.title.ru, step.title.en, step.title.kk, step.does.ru, step.does.en, step.does.kk))
    assert {flag_field(flag) for flag in FLAGS} <= TYPES["participation"].names()
