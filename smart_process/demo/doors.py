"""The doors people use, as a program uses them: pages, forms, mail, phones, the CRM. HTTP only, nothing from inside."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import requests

from smart_process.demo.portal import LocalPortal, PortalFailed, Rest

WAIT_S = 60.0


class Page(HTMLParser):
    """An HTML page as far as a guest's browser needs it: the form's fields, and everything that is written."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.texts: list[str] = []
        self.data: dict[str, str] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "input" and found.get("name") and found.get("type") != "checkbox":
            self.fields[found["name"]] = found.get("value", "")
        self.data |= {name: value for name, value in found.items() if name.startswith("data-")}

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())


@dataclass(frozen=True)
class Visit:
    """What the registration page answers: registered, already, or why not – in one word per reason."""

    result: str
    ticket: str = ""
    reasons: tuple[str, ...] = ()

    @property
    def refused(self) -> bool:
        """Whether the guest has to try again or stay away."""
        return self.result not in ("registered", "already")


class Browser:
    """A guest's browser."""

    def __init__(self, app_url: str) -> None:
        self._app = app_url
        self._session = requests.Session()

    def open(self, url: str) -> Page:
        """A page.

        Raises:
            PortalFailed: it does not open.
        """
        reply = self._session.get(url, timeout=WAIT_S)
        if reply.status_code != 200:
            raise PortalFailed(f"{url} answers {reply.status_code}")
        return Page(reply.text)

    def register(self, url: str, typed: Mapping[str, str], submission: str) -> Visit:
        """Open the registration page, fill it in, send it; a busy page is tried again as a person would."""
        page = self.open(url)
        filled = {**page.fields, **typed, "submission": submission}
        for _ in range(60):
            reply = self._session.post(
                url, data=filled, headers={"Accept": "application/json"}, timeout=WAIT_S
            )
            if reply.status_code != 429:
                break
            time.sleep(min(float(reply.headers.get("Retry-After", "1")), 5.0))
        answer = reply.json()
        reasons = tuple(sorted(answer.get("errors", ()))) or (answer.get("reason") or answer["result"],)
        return Visit(answer["result"], answer.get("ticket", ""), reasons)

    def cancel(self, ticket_url: str) -> None:
        """Cancel on the ticket page; who cancelled before sees that and leaves."""
        page = self.open(ticket_url)
        if any(name != "lang" for name in page.fields):
            self._session.post(f"{ticket_url}/cancel", data=page.fields, timeout=WAIT_S)

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


class Mailbox:
    """Everybody's mail, as a real SMTP server received it."""

    def __init__(self, portal: LocalPortal) -> None:
        self._portal = portal
        self._read: dict[int, dict[str, Any]] = {}

    def messages(self) -> list[dict[str, Any]]:
        """All mails, oldest first: id, to, from, subject, date, message_id."""
        found: list[dict[str, Any]] = self._portal.control("mail.json")
        return sorted(found, key=lambda one: int(one["id"]))

    def body(self, number: int) -> dict[str, Any]:
        """One mail with text, HTML and attachments."""
        if number not in self._read:
            self._read[number] = self._portal.control(f"mail/{number}.json")
        return self._read[number]

    def links(self, kind: str, pattern: str) -> dict[str, str]:
        """Address → the link that mails of a kind carry (``kind`` is the first part of their Message-ID)."""
        found: dict[str, str] = {}
        for one in self.messages():
            if one["message_id"].strip("<").startswith(f"{kind}."):
                link = re.search(pattern, self.body(int(one["id"]))["text"])
                if link:
                    found[_address(one["to"])] = link.group(0)
        return found

    def count(self) -> dict[str, int]:
        """How many mails of each kind arrived."""
        counted: dict[str, int] = {}
        for one in self.messages():
            kind = one["message_id"].strip("<").partition(".")[0]
            counted[kind] = counted.get(kind, 0) + 1
        return counted


def _address(to: Any) -> str:
    text = to[0] if isinstance(to, list) else str(to)
    found = re.search(r"[^\s<>,]+@[^\s<>,]+", text)
    return found.group(0).lower() if found else text.lower()


class Phone:
    """A phone at a gate: enrolled with the link, then only the device's own calls."""

    def __init__(self, app_url: str, enrol_code: str, name: str) -> None:
        self._app = app_url
        self._session = requests.Session()
        made = self._post("devices", {"enrol_code": enrol_code, "name": name}, expect=201)
        self._session.headers["Authorization"] = f"Bearer {made['device_token']}"

    def scans(self, some: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Verdicts of scans, in their order."""
        return self._many("scans", "verdicts", some)

    def flags(self, some: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Results of flags, in their order."""
        return self._many("flags", "results", some)

    def annulments(self, some: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Results of annulled scans."""
        return self._many("annulments", "results", some)

    def walk_ins(self, some: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Results of guests nobody expected."""
        return self._many("walk-ins", "results", some)

    def _many(self, path: str, answer: str, some: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for page in _pages(some, 50):
            found += self._post(path, {path.replace("-", "_"): list(page)})[answer]
        return found

    def _post(self, path: str, body: Mapping[str, Any], expect: int = 200) -> dict[str, Any]:
        reply = self._session.post(f"{self._app}/api/v1/{path}", json=dict(body), timeout=WAIT_S)
        if reply.status_code != expect:
            raise PortalFailed(f"{path}: {reply.status_code} {reply.text[:300]}")
        answer: dict[str, Any] = reply.json()
        return answer

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


def _pages(some: Sequence[Mapping[str, Any]], size: int) -> Iterator[Sequence[Mapping[str, Any]]]:
    for at in range(0, len(some), size):
        yield some[at : at + size]


class Tab:
    """The app's tab on a card, opened by a colleague: the portal posts it, its script calls the app."""

    def __init__(
        self, portal: LocalPortal, app_id: int, user_id: int, placement: str, item_id: int, handler: str
    ):
        opened = portal.control(
            f"apps/{app_id}/open",
            {"user_id": user_id, "placement": placement, "options": {"ID": str(item_id)}, "url": handler},
        )
        self._session = requests.Session()
        self._origin = handler.split("/b24/", maxsplit=1)[0]
        reply = self._session.post(opened["url"], data=opened["fields"], timeout=WAIT_S)
        if reply.status_code != 200:
            raise PortalFailed(f"the tab answers {reply.status_code}: {reply.text[:300]}")
        self.page = Page(reply.text)
        self._session.headers["X-Page-Session"] = self.page.data.get("data-session", "")
        self._session.headers["X-Viewer-Token"] = opened["fields"]["AUTH_ID"]

    def portions(self, path: str, body: Mapping[str, Any]) -> Counter[str]:
        """A long action as the page's script does it, portion by portion; the sums of what each answered."""
        sums: Counter[str] = Counter()
        more: dict[str, Any] = {}
        while True:
            answer = self.post(path, {**body, **more})
            sums.update(
                {name: value for name, value in answer.items() if isinstance(value, int) and name != "next"}
            )
            if answer.get("next") is None:
                return sums
            more = {"after": answer["next"], "permit": answer.get("permit", "")}

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """A call of the page's script.

        Raises:
            PortalFailed: the app refused it.
        """
        reply = self._session.post(f"{self._origin}{path}", json=dict(body), timeout=WAIT_S * 2)
        if reply.status_code >= 400:
            raise PortalFailed(f"{path}: {reply.status_code} {reply.text[:300]}")
        answer: dict[str, Any] = reply.json()
        return answer

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


class Crm:
    """A colleague in the CRM: moves and edits cards, 50 at a time, as the portal's own lists do."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def update(self, entity_type_id: int, changes: Mapping[int, Mapping[str, Any]]) -> None:
        """Edit items.

        Raises:
            PortalFailed: the portal refused one.
        """
        ids = list(changes)
        for at in range(0, len(ids), 50):
            self._rest.batch(
                {
                    f"i{item_id}": (
                        "crm.item.update",
                        {"entityTypeId": entity_type_id, "id": item_id, "fields": dict(changes[item_id])},
                    )
                    for item_id in ids[at : at + 50]
                }
            )

    def items(
        self, entity_type_id: int, where: Mapping[str, Any], select: Sequence[str]
    ) -> list[dict[str, Any]]:
        """All items that match, in order of id."""
        found: list[dict[str, Any]] = []
        last = 0
        while True:
            page = self._rest.call(
                "crm.item.list",
                {
                    "entityTypeId": entity_type_id,
                    "filter": {**where, ">id": last},
                    "order": {"id": "ASC"},
                    "start": -1,
                    **({"select": list(select)} if select else {}),
                },
            )["items"]
            found += page
            if len(page) < 50:
                return found
            last = int(page[-1]["id"])
