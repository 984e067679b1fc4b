"""Everybody who uses the app while it is killed: guests, phones, colleagues. Who gets no answer tries again.

All choices come from the seed; the order in which threads meet does not, so the same seed is the same day but not the
same interleaving.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import requests

from b24.errors import Throttled, Unavailable
from smart_process.demo import conference
from smart_process.demo.cast import Cast
from smart_process.demo.command import Demo
from smart_process.demo.day import TICKET
from smart_process.demo.doors import Browser, Crm, Mailbox, Phone
from smart_process.demo.portal import PortalFailed
from smart_process.schema import CONTACT, DEAL, flag_field
from tests.chaos.ledger import Ledger

T = TypeVar("T")
PATIENCE_S = 120.0
FROM_PHONES = ("quote_requested", "closed_session", "question_asked")
BY_HAND = "materials_requested"


class NeverAnswered(Exception):
    """Somebody tried for two minutes."""


def insist(act: Callable[[], T]) -> T:
    """What people do without an answer: again.

    Raises:
        NeverAnswered: with the last reason.
    """
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return act()
        except (
            requests.RequestException,
            ValueError,
            KeyError,
            PortalFailed,
            Throttled,
            Unavailable,
        ) as error:
            if time.monotonic() > until:
                raise NeverAnswered(f"{type(error).__name__}: {error}"[:300]) from error
            time.sleep(0.1)


class Crowd:
    """The people of one day; every method is one of them at work until ``storm`` is over and all is done.

    Args:
        over: whether processes are still being killed; as long as they are, people go on repeating themselves.
    """

    def __init__(self, demo: Demo, cast: Cast, ledger: Ledger) -> None:
        self._demo, self._cast, self.ledger = demo, cast, ledger
        self._binding = conference.binding(demo)
        self._crm = Crm(conference.rest_of(demo))
        self._url = f"{demo.public_url}/r/{conference.event(demo)['code']}"
        self._starts = conference.event(demo)["starts_at"].isoformat()
        count = cast.guests
        self._by_form = cast.strangers("form", cast.forms)
        # Some fill in both.
        self._guests = [*cast.strangers("page", count - cast.forms), *self._by_form[::4]]
        self._walk_ins = cast.strangers("walk", cast.walk_ins)

    # ------------------------------------------------------------------ guests

    def register(self, over: Callable[[], bool]) -> None:
        """Strangers on the registration page; some send the form twice, some come back to it."""
        browser, chance = Browser(self._demo.public_url), self._cast.chance("register")
        for one in _until(over, self._guests, chance):
            number = self._cast.number("page", one.email)
            for _ in range(2 if chance.random() < 0.15 else 1):
                visit = insist(partial(browser.register, self._url, one.typed(), number))
                if visit.result not in ("registered", "already"):
                    raise AssertionError(f"{one.email} was refused: {visit}")
                if visit.ticket:
                    self.ledger.tickets[one.email] = f"{self._demo.public_url}/t/{visit.ticket}"
                self.ledger.tickets.setdefault(one.email, "")
                if chance.random() < 0.5:
                    number = self._cast.number("page again", one.email)
            time.sleep(chance.random() * 0.2)
        browser.close()

    def fill_forms(self, over: Callable[[], bool]) -> None:
        """Strangers at the CRM form: the portal takes it, the app has to find out."""
        chance = self._cast.chance("forms")
        for one in self._by_form:
            values = {**one.typed(), "agreement": "Y"}
            values.pop("consent")
            made = self._demo.portal.control(f"forms/{self._demo.kept.form_id}/submit", values)
            self.ledger.forms[int(made["item_id"])] = one.email
            time.sleep(chance.random() * 0.5)

    def cancel(self, over: Callable[[], bool]) -> None:
        """One in twenty cancels on the ticket page, before anybody scans."""
        browser = Browser(self._demo.public_url)
        for address, link in sorted(self.ledger.tickets.items()):
            if link and self._plan(address) == "cancels":
                insist(partial(browser.cancel, link))
                self.ledger.cancelled.add(link)
        browser.close()

    # ------------------------------------------------------------------ phones

    def scan(self, over: Callable[[], bool]) -> None:
        """Phones at the entrance upload in batches; what was not answered is sent again as it was."""
        self._upload(over, self._coming(), "scan", self._scans)

    def late(self, over: Callable[[], bool]) -> None:
        """A phone without network uploads after the closing."""
        late = [link for address, link in self._with_ticket() if self._plan(address) == "late"]
        self._upload(over, late, "late", self._scans)

    def tap(self, over: Callable[[], bool]) -> None:
        """Phones in the halls."""
        self._upload(over, self._coming(), "tap", self._flags)

    def walk_in(self, over: Callable[[], bool]) -> None:
        """Guests nobody expected."""
        phone = insist(lambda: Phone(self._demo.public_url, self._demo.kept.enrol_code, "Стойка"))
        for one in self._walk_ins:
            entry = {
                "action_id": self._cast.number("walk", one.email),
                "last_name": one.last_name,
                "first_name": one.first_name,
                "company": one.company,
                "position": one.position,
                "email": one.email,
                "phone": one.phone,
                "gate": conference.ENTRANCES[0],
                "set_at": self._starts,
            }
            (done,) = insist(partial(phone.walk_ins, [entry]))
            if done["result"] not in ("done", "already"):
                raise AssertionError(f"a walk-in was not taken: {done}")
            self.ledger.walk_ins.add(one.email)
        phone.close()

    def _upload(
        self,
        over: Callable[[], bool],
        links: Sequence[str],
        name: str,
        send: Callable[[Phone, Sequence[str], random.Random], None],
    ) -> None:
        chance = self._cast.chance(name)
        phone = insist(lambda: Phone(self._demo.public_url, self._demo.kept.enrol_code, f"Телефон {name}"))
        batches = [links[at : at + 5] for at in range(0, len(links), 5)]
        for some in _until(over, batches, chance):
            send(phone, some, chance)
            time.sleep(chance.random() * 0.3)
        phone.close()

    def _scans(self, phone: Phone, links: Sequence[str], chance: random.Random) -> None:
        scans = [
            {
                "scan_id": self._cast.number("scan", link),
                "ticket": link,
                "gate": chance.choice(conference.ENTRANCES),
                "scanned_at": self._starts,
                "direction": "entry",
            }
            for link in links
        ]
        for verdict, link in zip(insist(lambda: phone.scans(scans)), links, strict=True):
            if verdict["verdict"] in ("admitted", "already_admitted"):
                self.ledger.arrived.add(link)

    def _flags(self, phone: Phone, links: Sequence[str], chance: random.Random) -> None:
        wanted = [(link, flag, "") for link in links for flag in FROM_PHONES if chance.random() < 0.4]
        wanted += [
            (link, "product_interest", chance.choice(conference.LINES))
            for link in links
            if chance.random() < 0.4
        ]
        flags = [
            {
                "action_id": self._cast.number("flag", link, flag, line),
                "ticket": link,
                "flag": flag,
                "on": True,
                "set_at": self._starts,
                **({"product_line": line} if line else {}),
            }
            for link, flag, line in wanted
        ]
        for result, one in zip(insist(lambda: phone.flags(flags)), wanted, strict=True):
            if result["result"] not in ("done", "already"):
                raise AssertionError(f"a flag was not taken: {one} {result}")
            self.ledger.flags.add(one)

    # ------------------------------------------------------------------ colleagues in the CRM

    def edit_cards(self, over: Callable[[], bool]) -> None:
        """Notes and a flag typed on the cards of who is coming, a position on the contact's card."""
        kind, chance = self._binding.participation, self._cast.chance("edit")
        link_name, note, flag = (kind.fields[one] for one in ("ticket_link", "note", flag_field(BY_HAND)))
        coming = set(self._coming())
        for number in range(1, 1000):
            cards = [card for card in self._cards(link_name) if card[link_name] in coming]
            for card in chance.sample(cards, min(5, len(cards))):
                self._type(kind.entity_type_id, card["id"], note, f"Перезвонить, {number}-й раз")
                self._type(kind.entity_type_id, card["id"], flag, "Y")
                if card.get("contactId"):
                    self._type(CONTACT, card["contactId"], "post", f"директор {number}")
                time.sleep(chance.random() * 0.3)
            if over():
                return

    def delete_cards(self, over: Callable[[], bool]) -> None:
        """Cards of some who do not come are deleted; every second one is taken back from the recycle bin."""
        kind = self._binding.participation
        link_name = kind.fields["ticket_link"]
        staying = {link for address, link in self._with_ticket() if self._plan(address) == "deleted"}
        doomed = [card["id"] for card in self._cards(link_name) if card[link_name] in staying]
        for number, item_id in enumerate(doomed):
            insist(partial(self._delete, kind.entity_type_id, item_id))
            if number % 2:
                self._restore(kind.entity_type_id, item_id)
            else:
                self.ledger.removed.add(item_id)

    def edit_deals(self, over: Callable[[], bool]) -> None:
        """Sales name the deals as they like and win one in five."""
        kind, chance = self._binding, self._cast.chance("deals")
        for number in range(1, 1000):
            deals = insist(
                lambda: self._crm.items(
                    DEAL, {kind.parent_event: self._demo.kept.event_item_id}, ["id", "stageSemanticId"]
                )
            )
            for deal in deals:
                self._type(DEAL, deal["id"], "title", f"Сделка {deal['id']}, как её зовём мы")
                if deal["id"] % 5 == 0:
                    self._type(DEAL, deal["id"], "stageId", "WON")
            if over():
                return
            time.sleep(chance.random() * number)

    def _cards(self, link_name: str) -> list[dict[str, Any]]:
        kind = self._binding.participation
        where = {self._binding.parent_event: self._demo.kept.event_item_id}
        return insist(lambda: self._crm.items(kind.entity_type_id, where, ["id", link_name, "contactId"]))

    def _type(self, entity_type_id: int, item_id: int, name: str, value: Any) -> None:
        insist(lambda: self._crm.update(entity_type_id, {item_id: {name: value}}))
        self.ledger.typed[entity_type_id, item_id, name] = value

    def _delete(self, entity_type_id: int, item_id: int) -> None:
        try:
            conference.rest_of(self._demo).call(
                "crm.item.delete", {"entityTypeId": entity_type_id, "id": item_id}
            )
        except PortalFailed as failed:
            # Deleted by the try whose answer was lost.
            if "NOT_FOUND" not in str(failed):
                raise

    def _restore(self, entity_type_id: int, item_id: int) -> None:
        for lying in self._demo.portal.control("recycle"):
            if (lying["entity_type_id"], lying["item_id"]) == (entity_type_id, item_id):
                self._demo.portal.control(f"recycle/{lying['id']}/restore", {})
                return

    # ------------------------------------------------------------------ who does what

    def read_mail(self) -> None:
        """Guests of the CRM form find their ticket in the mail."""
        addresses = {one.email.lower() for one in self._by_form}
        for address, link in Mailbox(self._demo.portal).links("ticket", TICKET).items():
            if address in addresses or not self.ledger.tickets.get(address, ""):
                self.ledger.tickets[address] = link

    def _with_ticket(self) -> list[tuple[str, str]]:
        return sorted((address, link) for address, link in self.ledger.tickets.items() if link)

    def _coming(self) -> list[str]:
        return [link for address, link in self._with_ticket() if self._plan(address) == "comes"]

    def _plan(self, address: str) -> str:
        roll = self._cast.chance(f"{address}:chaos").random()
        for share, plan in ((0.05, "cancels"), (0.13, "deleted"), (0.2, "late"), (0.3, "stays")):
            if roll < share:
                return plan
        return "comes"

    def ours(self) -> set[str]:
        """Addresses of who is new to the portal and came through our own doors only: we made their contacts."""
        return {one.email for one in (*self._guests, *self._walk_ins)} - {one.email for one in self._by_form}


def _until(over: Callable[[], bool], some: Sequence[T], chance: random.Random) -> Iterator[T]:
    """All of them, and then any of them again as long as it is not over."""
    yield from some
    while some and not over():
        yield chance.choice(some)
