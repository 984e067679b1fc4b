"""The app removed and installed again: the same objects, the same tickets, nothing made twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app import create_app
from b24 import portals
from b24.client import Portals
from b24.oauth import OAuth
from b24.sandbox.server import Options, Sandbox
from smart_process.store import setups
from smart_process.sync import picture, sweep
from tests.eventually import eventually
from tests.portal_and_app import PortalAndApp, Served, make_web
from tests.smart_process.sync.story import LINES, Company, Story, company


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    yield made
    made.stop()


@pytest.fixture
def place(served: Served, tmp_path: Path) -> Iterator[Company]:
    options = Options(port=0, seed="empty", limits=False, pages=False, cut_s=1, smtp_port=0)
    with Sandbox(options) as sandbox:
        made = company(sandbox, served, f"sqlite:///{tmp_path / 'app.db'}")
        yield made
        made.rest.close()
        made.service.portals.close()
        made.service.store.close()


def removed(place: Company, clean: str) -> None:
    """An administrator removes the app; the portal tells us over the network."""
    apps = place.rest.control("apps", method="GET")
    ours = next(one for one in apps if one["installer_url"])
    place.rest.control("uninstall", {"app_id": ours["id"], "clean": clean})

    def gone() -> bool:
        with place.service.store.reading() as tx:
            found = portals.by_id(tx, place.service.secrets, place.portal_id)
        return found is not None and found.state == portals.UNINSTALLED

    eventually(gone, within=10, waiting_for="the portal's word that the app was removed")


def registered_anew(place: Company, served: Served) -> PortalAndApp:
    """The application gets another ``client_id``, as every local application does that is added again."""
    app: dict[str, Any] = place.rest.control(
        "apps",
        {
            "title": "Мероприятия",
            "handler_url": f"{served.url}/b24/app",
            "installer_url": f"{served.url}/b24/install",
        },
    )
    before, url = place.service.portals, place.sandbox.url
    oauth = OAuth(
        app["client_id"], app["client_secret"], (url,), transport=before.transport, clock=place.clock
    )
    fresh = Portals(
        place.service.store,
        place.service.secrets,
        oauth,
        clock=place.clock,
        cut_s=5,
        bucket=(10_000, 1000.0),
        allow_origin=url,
    )
    before.close()
    place.service = replace(place.service, portals=fresh)
    served.web = create_app(place.service)
    return PortalAndApp(place.sandbox, place.rest, place.service, make_web(place.service).test_client(), app)


PASSING = {"updatedTime", "updatedBy", "lastActivityTime", "lastActivityBy"}
"""What every write changes."""


def cards_of(story: Story) -> dict[str, dict[str, Any]]:
    """Participation cards of the event by their guests' surnames."""
    return {
        str(card["title"]).partition(" ")[0]: {name: one for name, one in card.items() if name not in PASSING}
        for card in story.cards()
    }


def without(cards: Mapping[str, Mapping[str, Any]], left_out: str) -> dict[str, Any]:
    """Cards without one field."""
    return {who: {name: one for name, one in card.items() if name != left_out} for who, card in cards.items()}


PLAIN = "uid ticket stage gate device source flags product_lines note consent_version cancelled".split()


def story_of(story: Story) -> dict[str, Any]:
    """What we know of the event's guests, by surname; times as a card holds them."""
    return {
        story.person(one)["last_name"]: {
            **{name: one[name] for name in PLAIN},
            **{name: picture.moment(one[name]) for name in ("registered_at", "arrived_at", "consent_at")},
        }
        for one in story.seats()
    }


@pytest.mark.parametrize("clean", ["0", "1"])
def test_an_app_registered_anew_finds_its_objects_and_tickets_stay_valid(
    place: Company, served: Served, clean: str
) -> None:
    story = Story(place).begin()
    guests = [story.guest(*name) for name in (("Тихий", "Пётр"), ("Заказчик", "Тимур"), ("Тёплый", "Иван"))]
    for guest in guests:
        story.registers(guest)
    story.settle()
    seats = {story.person(one)["last_name"]: one["id"] for one in story.seats()}
    story.arrives(seats["Заказчик"])
    story.flags(seats["Заказчик"], "quote_requested")
    story.arrives(seats["Тёплый"])
    story.flags(seats["Тёплый"], "product_interest", LINES[0])
    story.settle()
    story.edit_card(cards_of(story)["Тихий"]["id"], stage="declined", note="Не сможет")
    story.move_event("closed")
    story.settle()
    binding, settings, code = story.binding, story.settings, story.event["code"]
    known, cards = story_of(story), cards_of(story)
    (deal,), (task,) = story.deals(), story.tasks()
    letters = [story.mails(one.email) for one in guests]
    assert {name: one["stage"] for name, one in known.items()} == {
        "Тихий": "declined",
        "Заказчик": "handed",
        "Тёплый": "handed",
    }

    removed(place, clean)
    with place.service.store.reading() as tx:
        assert setups.known(tx, place.portal_id) is (clean == "0")
    installer = registered_anew(place, served)
    assert installer.install()["done"]
    installer.finish()
    sweep.sweep(place.service, place.portal_id)
    story.settle()

    assert story.binding == binding
    if clean == "0":
        assert story.settings == settings
    assert story.event["code"] == code
    assert story_of(story) == known
    # Who set a flag on which phone went with the data; only the words of the explanation tell it.
    told = "" if clean == "0" else binding.participation.fields["explanation"]
    assert without(cards_of(story), told) == without(cards, told)
    assert [one["id"] for one in story.deals()] == [deal["id"]]
    assert len(story.todos(deal["id"])) == 1
    assert [(one["id"], one["status"]) for one in story.tasks()] == [(task["id"], "2")]
    assert [story.mails(one.email) for one in guests] == letters
    assert story.waiting() == []
    assert served.web is not None
    web = served.web.test_client()
    for one in known.values():
        assert web.get(f"/t/{one['ticket']}").status_code == 200
    assert web.get(f"/r/{code}").status_code == 200
