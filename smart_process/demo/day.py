"""The day itself: every step through the same doors as people, safe to be played again on the same state."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from smart_process.demo import conference
from smart_process.demo.cast import Cast, Plan, Stranger
from smart_process.demo.doors import Browser, Crm, Mailbox, Phone, Tab, Visit
from smart_process.demo.portal import PortalFailed
from smart_process.schema import CONTACT, DEAL, flag_field

if TYPE_CHECKING:
    from smart_process.demo.command import Demo
    from smart_process.demo.edits import Edits

MARKETER = 1
EVENT_API = "/b24/api/event"
TICKET = r"https?://\S+/t/[A-Za-z0-9_-]{22}"
INVITATION = r"https?://\S+/r/\S+\?i=[A-Za-z0-9_-]{22}"
WRONG = {"phone": "12", "email": "не помню", "consent": "", "position": ""}


class Day:
    """One playing of the day."""

    def __init__(self, demo: Demo, cast: Cast, stopping: threading.Event, edits: Edits | None = None) -> None:
        """``edits``: colleagues who work in the CRM meanwhile."""
        self._demo, self._cast, self._stopping, self._edits = demo, cast, stopping, edits
        self._binding = conference.binding(demo)
        self._event = conference.event(demo)
        self._crm = Crm(conference.rest_of(demo))
        self._browser = Browser(demo.public_url)
        self.mailbox = Mailbox(demo.portal)
        self._phones = [Phone(demo.public_url, demo.kept.enrol_code, f"Телефон {n}") for n in (1, 2, 3)]
        self.refused: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self._invited = 0
        self._by_form: set[str] = set()
        self._plans: dict[str, Plan] = {}
        self._addresses: list[str] = []

    def play(self) -> None:
        """Everything in the order of the day."""
        for step in (
            self._invite,
            self._register_invited,
            self._register_strangers,
            self._fill_forms,
            self._read_tickets,
            self._cancel,
            lambda: self._edit("before"),
            self._open_doors,
            self._arrive,
            self._walk_in,
            self._floor,
            self._edit_cards,
            lambda: self._edit("floor"),
            self._close_event,
            self._late,
            lambda: self._edit("after"),
            self._win,
        ):
            if self._stopping.is_set():
                raise PortalFailed("stopped before the end; start it again to go on")
            step()

    def close(self) -> None:
        """Close every connection."""
        self._browser.close()
        for phone in self._phones:
            phone.close()

    # ------------------------------------------------------------------ before the day

    def _invite(self) -> None:
        self._move_event("open")
        tab = self._event_tab()
        try:
            self._segment(tab)
        finally:
            tab.close()
        self._settle()

    def _event_tab(self) -> Tab:
        demo, eti = self._demo, self._binding.event.entity_type_id
        handler = f"http://127.0.0.1:{demo.kept.app_port}/b24/placement/event"
        placement = f"CRM_DYNAMIC_{eti}_DETAIL_TAB"
        return Tab(demo.portal, demo.kept.app_id, MARKETER, placement, demo.kept.event_item_id, handler)

    def _segment(self, tab: Tab) -> None:
        """On the event's tab: high potential chosen, counted, selected, invited."""
        questions = tab.post(f"{EVENT_API}/segment/questions", {})["questions"]
        options = next(one["options"] for one in questions if one["name"] == "potential")
        chosen = [one["value"] for one in options if one["title"] in self._cast.levels]
        segment = {"segment": {"potential": chosen}}
        seen = tab.portions(f"{EVENT_API}/segment/preview", segment)
        levels = ", ".join(self._cast.levels).lower()
        self._say(f"Сегмент (потенциал {levels}): компаний {seen['companies']}, людей {seen['contacts']}")
        done = tab.portions(f"{EVENT_API}/segment/select", segment)
        self._say(f"Отобраны: {done['selected']}, были раньше: {done['already']}")
        sent = tab.portions(f"{EVENT_API}/invite", {})
        self._say(f"Приглашений в очереди: {sent['queued']}, без адреса: {sent['without_address']}")

    def _register_invited(self) -> None:
        links = self.mailbox.links("invitation", INVITATION)
        guests = sorted(links, key=lambda address: self._cast.number("order", address))[: self._cast.invited]
        for address in guests:
            page = self._browser.open(links[address])
            if "last_name" not in page.fields:
                # Registered when the day was played before: the page says so and has no form.
                continue
            typed = {
                name: page.fields.get(name, "") for name in ("last_name", "first_name", "company", "position")
            }
            chance = self._cast.chance(address)
            typed |= {
                "email": page.fields.get("email", "") or address,
                "phone": page.fields.get("phone", "") or f"+7 705 {chance.randint(1000000, 9999999)}",
                "company": typed["company"] or "ТОО «Партнёр»",
                "position": typed["position"] or "менеджер",
                "first_name": typed["first_name"] or "Имя",
                "last_name": typed["last_name"] or "Фамилия",
                "consent": "on",
            }
            self._fill_in(links[address], address, typed)
        self._invited = len(guests)
        self._say(f"По приглашению зарегистрировались: {len(guests)}")

    def _register_strangers(self) -> None:
        url = f"{self._demo.public_url}/r/{self._event['code']}"
        others = self._invited + self._cast.forms + self._cast.known + self._cast.walk_ins
        strangers = self._cast.strangers("page", max(1, self._cast.guests - others))
        for one in strangers:
            self._fill_in(url, one.email, one.typed())
        self._say(f"Сами нашли страницу: {len(strangers)}")

    def _fill_in(self, url: str, who: str, typed: Mapping[str, str]) -> None:
        """Fill the page in, with the slip of this person first; who is refused reads why and tries again."""
        mistake = self._cast.mistake(who)
        if mistake:
            wrong = {**typed, mistake: WRONG[mistake]}
            if not wrong["consent"]:
                wrong.pop("consent")
            visit = self._browser.register(url, wrong, self._cast.number("slip", who))
            if visit.result == "registered":
                raise PortalFailed(f"{who}: the page took a form without a proper {mistake}")
            self._refused(visit)
        visit = self._browser.register(url, typed, self._cast.number("page", who))
        self._refused(visit)

    def _refused(self, visit: Visit) -> None:
        if visit.refused:
            self.refused.update(visit.reasons)

    def _fill_forms(self) -> None:
        """The CRM form at the portal: strangers, and people whose cards the portal has."""
        people = [*self._cast.strangers("form", self._cast.forms), *self._known_people(self._cast.known)]
        self._by_form = {one.email.lower() for one in people}
        for one in people:
            values = {**one.typed(), "agreement": "Y"}
            values.pop("consent")
            self._demo.portal.control(f"forms/{self._demo.kept.form_id}/submit", values)
        self._say(f"Через CRM-форму: {len(people)}")
        if self._edits:
            by_lead = self._edits.leads_come(
                self._known_people(self._cast.known + self._cast.leads)[self._cast.known :]
            )
            self._by_form |= {one.email.lower() for one in by_lead}
            self._say(f"Через форму, которая делает лиды: {len(by_lead)}")
        self._settle()

    def _known_people(self, how_many: int) -> list[Stranger]:
        """People with a card and a mail address of their own, as they would fill a form in today."""
        contacts = self._crm.items(CONTACT, {"<=id": 300, "originatorId": ""}, [])
        mails = Counter(mail for one in contacts for mail in _fm(one, "EMAIL"))
        able = [
            one
            for one in contacts
            if one.get("lastName")
            and _fm(one, "PHONE")
            and _fm(one, "EMAIL")
            and mails[_fm(one, "EMAIL")[0]] == 1
        ]
        able.sort(key=lambda one: self._cast.number("form", str(one["id"])))
        return [
            Stranger(
                one["lastName"],
                one.get("name") or "",
                "Наша компания",
                one.get("post") or "инженер",
                _fm(one, "EMAIL")[0],
                _fm(one, "PHONE")[0],
            )
            for one in able[:how_many]
        ]

    # ------------------------------------------------------------------ the day

    def _read_tickets(self) -> None:
        """Everybody reads their mail; from here on a ticket is what the mail says."""
        self._settle()
        self._tickets = self.mailbox.links("ticket", TICKET)
        self._addresses = sorted(self._tickets, key=lambda address: self._cast.number("order", address))
        self._plans = {address: self._cast.plan(address) for address in self._addresses}
        self._say(f"Билетов в почте: {len(self._tickets)}")

    def _cancel(self) -> None:
        # Who filled in the CRM form would, when the day is played again, register anew: a person's decision too.
        cancelled = [
            address
            for address in self._addresses
            if self._plans[address].cancels and address not in self._by_form
        ]
        for address in cancelled:
            self._browser.cancel(self._tickets[address])
        self._say(f"Отказались по ссылке: {len(cancelled)}")

    def _open_doors(self) -> None:
        self._move_event("live")

    def _arrive(self) -> None:
        coming = [address for address in self._addresses if self._plans[address].comes]
        coming.sort(key=lambda address: (self._plans[address].minute, address))
        for phone, some in self._shared(coming):
            scans = [self._scan(address) for address in some]
            scans += [self._scan(address, "again") for address in some if self._plans[address].twice]
            self._count(phone.scans(scans))
        stranger = {"ticket": "A" * 22, "scan_id": self._cast.number("scan", "nobody")}
        self._count(self._phones[0].scans([self._scan(self._addresses[0]) | stranger]))
        self._say(f"Пришли: {len(coming)}")

    def _shared(self, some: Sequence[str]) -> list[tuple[Phone, list[str]]]:
        return [(phone, list(some[at :: len(self._phones)])) for at, phone in enumerate(self._phones)]

    def _scan(self, address: str, which: str = "first") -> dict[str, Any]:
        plan = self._plans[address]
        minute = plan.minute + (30 if which == "again" else 0)
        return {
            "scan_id": self._cast.number("scan", which, address),
            "ticket": self._tickets[address],
            "gate": conference.ENTRANCES[plan.gate],
            "scanned_at": self._moment(minute),
            "direction": "entry",
        }

    def _moment(self, minute: int) -> str:
        starts: datetime = self._event["starts_at"]
        return (starts + timedelta(minutes=minute)).isoformat()

    def _count(self, verdicts: Sequence[Mapping[str, Any]]) -> None:
        self.verdicts.update(str(one["verdict"]) for one in verdicts)

    def _walk_in(self) -> None:
        walk_ins = [
            {
                "action_id": self._cast.number("walk", one.email),
                "last_name": one.last_name,
                "first_name": one.first_name,
                "company": one.company,
                "position": one.position,
                "email": one.email,
                "phone": one.phone,
                "gate": conference.ENTRANCES[0],
                "set_at": self._moment(45),
            }
            for one in self._cast.strangers("walk", self._cast.walk_ins)
        ]
        results = self._phones[0].walk_ins(walk_ins)
        bad = [one for one in results if one["result"] not in ("done", "already")]
        if bad:
            raise PortalFailed(f"a walk-in was not taken: {bad[0]}")
        self._say(f"Без регистрации: {len(walk_ins)}")

    def _floor(self) -> None:
        """Three of four flags are tapped on a phone."""
        tapped = [
            (address, flag, line)
            for address in self._addresses
            for flag, line in self._plans[address].flags
            if self._plans[address].comes and not self._by_hand(address, flag)
        ]
        for at, phone in enumerate(self._phones):
            results = phone.flags([self._flag(*one) for one in tapped[at :: len(self._phones)]])
            # A guest whose card a colleague deleted cannot be flagged.
            taken = ("done", "already", "refused") if self._edits else ("done", "already")
            bad = [one for one in results if one["result"] not in taken]
            if bad:
                raise PortalFailed(f"a flag was not taken: {bad[0]}")
        self._say(f"Отметок с телефонов: {len(tapped)}")
        self._settle()

    def _by_hand(self, address: str, flag: str) -> bool:
        return self._cast.chance(f"{address}:{flag}:hand").random() < 0.25

    def _flag(self, address: str, flag: str, line: str) -> dict[str, Any]:
        return {
            "action_id": self._cast.number("flag", address, flag, line),
            "ticket": self._tickets[address].rpartition("/")[2],
            "flag": flag,
            "on": True,
            "set_at": self._moment(self._plans[address].minute + 60),
            **({"product_line": line} if line else {}),
        }

    def _edit_cards(self) -> None:
        """The rest is set by colleagues on the cards, who also write notes."""
        kind = self._binding.participation
        link = kind.fields["ticket_link"]
        cards = self._crm.items(
            kind.entity_type_id, {self._binding.parent_event: self._demo.kept.event_item_id}, ["id", link]
        )
        card_of = {str(card[link]): int(card["id"]) for card in cards if card.get(link)}
        changes: dict[int, dict[str, Any]] = {}
        for address in self._addresses:
            plan, item_id = self._plans[address], card_of.get(self._tickets[address])
            if item_id is None or not plan.comes:
                continue
            for flag, line in plan.flags:
                if self._by_hand(address, flag):
                    changes.setdefault(item_id, {})[kind.fields[flag_field(flag)]] = "Y"
                    if line:
                        changes[item_id][kind.fields["product_lines"]] = [line]
            if self._cast.chance(f"{address}:note").random() < 0.05:
                changes.setdefault(item_id, {})[kind.fields["note"]] = "Просил перезвонить после обеда"
        self._crm.update(kind.entity_type_id, changes)
        self._say(f"Карточек изменено в CRM: {len(changes)}")
        if self._edits:
            self._edits.written_over(kind.entity_type_id, changes)
        else:
            self._settle()

    def _edit(self, when: str) -> None:
        """Colleagues work in the CRM, while what came before is still on its way."""
        if self._edits:
            self._edits.during(when, {link: address for address, link in self._tickets.items()})
            self._settle()

    # ------------------------------------------------------------------ afterwards

    def _close_event(self) -> None:
        self._move_event("follow_up")
        self._move_event("closed")
        conference.wait_for("the closing to run", lambda: conference.event(self._demo)["closed_at"], 120)
        self._settle()
        self._say("Мероприятие закрыто: неявки, письма, сделки и задачи")

    def _late(self) -> None:
        """A phone that was without network uploads after the closing: its guests were there."""
        late = [address for address in self._addresses if self._plans[address].late]
        if late:
            self._count(self._phones[1].scans([self._scan(address, "late") for address in late]))
            self._say(f"Опоздавшие отметки: {len(late)}")
        self._settle()

    def _win(self) -> None:
        """Sales win one deal in five."""
        where = {self._binding.parent_event: self._demo.kept.event_item_id}
        deals = self._crm.items(DEAL, where, ["id", "stageSemanticId"])
        won = [int(deal["id"]) for deal in deals[::5] if deal["stageSemanticId"] == "P"]
        self._crm.update(DEAL, {deal_id: {"stageId": "WON"} for deal_id in won})
        if won:
            self._say(f"Выиграно сделок: {len(won)}")
        self._settle()

    # ------------------------------------------------------------------ helpers

    def _move_event(self, stage: str) -> None:
        kind = self._binding.event
        self._crm.update(
            kind.entity_type_id, {self._demo.kept.event_item_id: {"stageId": kind.stages[stage]}}
        )
        conference.wait_for(
            f"the app to see the event as {stage}",
            lambda: conference.event(self._demo)["stage"] == stage,
            120,
        )

    def _settle(self) -> None:
        from smart_process.demo.play import settle

        settle(self._demo, self._stopping)

    def _say(self, text: str) -> None:
        self._demo.say(text)


def _fm(item: Mapping[str, Any], kind: str) -> list[str]:
    return [
        str(one["value"]) for one in item.get("fm") or [] if one.get("typeId") == kind and one.get("value")
    ]
