"""The app removed and installed again: the same objects, the same tickets, nothing made twice."""

from __future__ import annotations

from collections.abc import Iterator
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
from smart_process.sync import sweep
from tests.eventually import eventually
from tests.portal_and_app import PortalAndApp, Served, make_web
from tests.smart_process.sync.story import Company, Story, company


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


@pytest.mark.parametrize("clean", ["0"])
def test_an_app_registered_anew_finds_its_objects_and_tickets_stay_valid(
    place: Company, served: Served, clean: str
) -> None:
    story = Story(place).begin()
    quiet, hot = story.guest("Тихий", "Пётр"), story.guest("Заказчик", "Тимур")
    for guest in (quiet, hot):
        story.registers(guest)
    story.settle()
    seat = next(one for one in story.seats() if story.person(one)["last_name"] == "Заказчик")
    story.arrives(seat["id"])
    story.flags(seat["id"], "quote_requested")
    story.settle()
    binding, settings, code = story.binding, story.settings, story.event["code"]
    tickets = {story.person(one)["last_name"]: (one["ticket"], one["stage"]) for one in story.seats()}
    cards = {one["id"] for one in story.cards()}
    (deal,) = story.deals()
    letters = [story.mails(one.email) for one in (quiet, hot)]

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
    assert {story.person(one)["last_name"]: (one["ticket"], one["stage"]) for one in story.seats()} == tickets
    assert {one["id"] for one in story.cards()} == cards
    assert [one["id"] for one in story.deals()] == [deal["id"]]
    assert [story.mails(one.email) for one in (quiet, hot)] == letters
    assert served.web is not None
    web = served.web.test_client()
    for ticket, _stage in tickets.values():
        assert web.get(f"/t/{ticket}").status_code == 200
    assert web.get(f"/r/{code}").status_code == 200
