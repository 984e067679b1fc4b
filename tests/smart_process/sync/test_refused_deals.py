"""A deal the portal refuses for an empty field is a task of the same weight until the settings let it pass."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from smart_process import refusals
from smart_process.schema import DEAL
from smart_process.store import tables as t
from tests.smart_process.sync import our_pages
from tests.smart_process.sync.story import Story


@pytest.fixture(scope="module", autouse=True)
def budget(place: Any) -> Iterator[None]:
    """A field every new deal must have."""
    field = {
        "entityId": "CRM_DEAL",
        "fieldName": "UF_CRM_DEAL_STORY_BUDGET",
        "userTypeId": "string",
        "mandatory": "Y",
        "editFormLabel": {"ru": "Источник бюджета"},
    }
    made = place.rest("userfieldconfig.add", {"moduleId": "crm", "field": field})["field"]
    yield
    place.rest("userfieldconfig.delete", {"moduleId": "crm", "id": made["id"]})


def save(story: Story, **defaults: str) -> None:
    """An administrator saves the section «Сделки»."""
    our_pages.save(story, "deals", category=0, stage="", defaults=defaults)


@pytest.fixture
def refused(story: Story) -> Iterator[Story]:
    """A guest asked for a quote and the portal refused the deal."""
    story.registers(story.guest("Заказчик", "Тимур"))
    story.settle()
    story.arrives(story.seat()["id"])
    story.flags(story.seat()["id"], "quote_requested")
    story.settle()
    yield story
    save(story)


def live(story: Story) -> Any:
    """The outcome that stands."""
    o = t.outcome.c
    (row,) = story.rows(t.outcome, o.event_id == story.event["id"], o.state == "live")
    return row


def field_name(story: Story) -> str:
    """What the portal calls the field in ``crm.item.*``."""
    fields = story.rest("crm.item.fields", {"entityTypeId": DEAL})["fields"]
    return next(str(name) for name, spec in fields.items() if spec["title"] == "Источник бюджета")


def test_a_refused_deal_is_a_task_of_the_same_priority_that_names_the_field(refused: Story) -> None:
    (task,) = refused.tasks()
    assert refused.deals() == []
    assert (task["priority"], task["status"]) == ("2", "2")
    assert "Источник бюджета" in task["description"]
    row = live(refused)
    assert (row["kind"], row["priority"], row["rule"]) == ("task", "high", "quote_requested")
    assert row["deadline"] - row["created_at"] == timedelta(hours=1)
    assert refused.card()["stage"] == "handed"
    assert refused.waiting() == []


def test_later_flags_keep_the_task_instead_of_trying_the_deal_each_time(refused: Story) -> None:
    before = live(refused)
    refused.flags(refused.seat()["id"], "closed_session")
    refused.settle()
    (task,) = refused.tasks()
    assert live(refused)["id"] == before["id"]
    assert "закрытая сессия" in task["description"].lower()
    assert "Источник бюджета" in task["description"]


def test_a_default_value_lets_the_deal_pass_and_closes_the_task(refused: Story) -> None:
    save(refused, **{field_name(refused): "Маркетинг"})
    refused.settle()
    (deal,) = refused.deals()
    (task,) = refused.tasks()
    assert deal[field_name(refused)] == "Маркетинг"
    assert task["status"] == "5"
    assert (live(refused)["kind"], live(refused)["item_id"]) == ("deal", deal["id"])
    assert refused.card()["parentId2"] == deal["id"]


def test_saving_what_does_not_help_leaves_the_one_task(refused: Story) -> None:
    before = live(refused)
    save(refused)
    refused.settle()
    assert live(refused)["id"] == before["id"]
    assert [one["status"] for one in refused.tasks()] == ["2"]
    assert refused.waiting() == []
    assert refused.deals() == []


def test_the_portals_text_is_shown_without_its_markup() -> None:
    assert refusals.plain('Поле &quot;Бюджет&quot;<br>обязательно <b onclick="x">!</b>') == (
        'Поле "Бюджет" обязательно !'
    )
