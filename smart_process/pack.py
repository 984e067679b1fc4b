"""The offline pack: what a phone at a door needs to decide alone, readable only to who holds a guest's ticket.

Per guest there is one record: name, company, state of the ticket, notes for the door. It is sealed with AES-128-GCM
under a key that follows from the 128 random bits of the ticket itself, and found under a number that follows from
them as well: HMAC-SHA256(salt of the event, ticket) is key (16 bytes) and number (9 bytes). Whoever shows the ticket
brings the key along.

For the search the same key is wrapped once per *token* – the first three letters of every word of name and company,
the last four digits of the phone, the company as a whole – with a pad that follows from the search key. The search
key comes with the pack and is kept by the browser as a key that scripts can use and not read.

What the finder of a lost phone learns. From the pack alone, copied off the phone: how many guests there are, how long
their records are in steps of 64 bytes, how many share a first syllable or a company; no name. With the phone unlocked
and the scanner open: what staff can do, name by name – whether somebody is expected, their company and position –
until the organiser revokes the phone (wiped at its next contact) or the event is over (wiped by itself). Who takes the
browser's profile off an unlocked phone with forensic tools has the search key too and can try all syllables, that is,
read the list of names and companies. E-mail addresses and phone numbers are not in the pack at all, nor are tickets.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
import secrets
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from smart_process import names
from smart_process.admission import Ticket

SHELVES = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
"""A guest stands on the shelf their number begins with: what a phone and the app compare is one print per shelf."""
PRINT = 6
"""Bytes of a print."""
STEP = 64
"""Records are padded to a multiple of this many bytes."""
TOKEN_LENGTH = 3
PHONE_TAIL = 4
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Keys:
    """Secrets of one event's pack: ``salt`` is told to its phones, ``search`` as well but kept unreadable there."""

    salt: bytes
    search: bytes

    @classmethod
    def of_event(cls, root: bytes, event_id: int) -> Keys:
        """Both from the app's own secret; other events get others."""
        return cls(
            hmac.digest(root, f"salt:{event_id}".encode(), "sha256")[:16],
            hmac.digest(root, f"search:{event_id}".encode(), "sha256"),
        )


@dataclass(frozen=True)
class Guest:
    """Somebody in the pack. ``ticket`` may be an old one of theirs, from a participation merged into this one.

    ``listed``: found by name; ``notes``: what staff should know, see :func:`smart_process.attention.notes`.
    """

    participation: int
    ticket: str
    state: Ticket
    first_name: str
    last_name: str
    company: str
    company_id: int | None
    position: str
    phone: str
    product_lines: tuple[str, ...]
    notes: tuple[Mapping[str, str], ...] = ()
    listed: bool = True

    @cached_property
    def spelled(self) -> str:
        """The name in Latin letters."""
        return names.latin(f"{self.last_name} {self.first_name}")


def fold(text: str) -> str:
    """The form in which texts are compared, here and on the phone: lower case, ё as е, one spelling per letter."""
    return unicodedata.normalize("NFC", text).lower().replace("ё", "е")


def tokens(guest: Guest) -> list[str]:
    """Under what a guest is found without a ticket."""
    told = f"{guest.last_name} {guest.first_name} {guest.company}"
    found = {word[:TOKEN_LENGTH] for word in _WORD.findall(fold(f"{told} {guest.spelled}"))}
    if len(guest.phone) >= PHONE_TAIL:
        found.add("+" + guest.phone[-PHONE_TAIL:])
    if company := company_token(guest):
        found.add(company)
    return sorted(found)


def company_token(guest: Guest) -> str:
    """What colleagues share: the company's card or, while it has none, its name; "" without a company."""
    if guest.company_id:
        return f"={guest.company_id}"
    named = " ".join(_WORD.findall(fold(guest.company)))
    return f"={named}" if named else ""


def number_and_key(keys: Keys, ticket: str) -> tuple[str, bytes]:
    """Under which number a ticket's record is kept, and its key."""
    digest = hmac.digest(keys.salt, ticket.encode(), "sha256")
    return _text(digest[16:25]), digest[:16]


@dataclass(frozen=True)
class Sheet:
    """One guest ready to be sealed: under which number and key, the record and the tokens that find it.

    ``print`` tells whether two sheets are the same, and nothing else to who has not the search key.
    """

    number: str
    key: bytes
    plain: bytes
    tokens: tuple[str, ...]
    print: bytes

    @classmethod
    def of(cls, keys: Keys, guest: Guest) -> Sheet:
        """A guest's sheet; the same guest has the same one each time."""
        number, key = number_and_key(keys, guest.ticket)
        plain = json.dumps(_record(guest), ensure_ascii=False, separators=(",", ":")).encode()
        found = tuple(tokens(guest)) if guest.listed else ()
        whole = b"\n".join((number.encode(), plain, *(token.encode() for token in found)))
        return cls(number, key, plain, found, hmac.digest(keys.search, b"print " + whole, "sha256")[:PRINT])

    def sealed(self, keys: Keys) -> list[Any]:
        """A guest as the pack carries them: number, sealed record, per token locator (the first eight letters) and
        wrapped key in one, and the print."""
        nonce = secrets.token_bytes(12)
        padded = self.plain + b" " * (-len(self.plain) % STEP)
        record = _text(nonce + AESGCM(self.key).encrypt(nonce, padded, None))
        ways = [_way(keys, token, self.number, self.key) for token in self.tokens]
        return [self.number, record, ways, _text(self.print)]


def _way(keys: Keys, token: str, number: str, key: bytes) -> str:
    locator = hmac.digest(keys.search, f"find {token}".encode(), "sha256")[:6]
    pad = hmac.digest(keys.search, f"open {token} {number}".encode(), "sha256")
    wrapped = (int.from_bytes(key) ^ int.from_bytes(pad[:16])).to_bytes(16)
    return _text(locator + wrapped)


def _record(guest: Guest) -> dict[str, Any]:
    state = guest.state
    record = {
        "participation": guest.participation,
        "first_name": guest.first_name,
        "last_name": guest.last_name,
        "company": guest.company,
        "position": guest.position,
        "flags": sorted(state.flags),
        "product_lines": list(guest.product_lines),
        "notes": [dict(note) for note in guest.notes],
        "also": guest.spelled,
        "colleagues": company_token(guest),
        "cancelled": state.cancelled,
        "arrived_at": state.arrived_at.isoformat() if state.arrived_at else None,
        "passages": {area: one.to_json() for area, one in state.passages.items()},
    }
    # Ten thousand times: what says nothing is left out.
    return {name: value for name, value in record.items() if value}


def others(keys: Keys, tickets: Iterable[str]) -> list[str]:
    """Numbers of tickets of other events: enough to say that they are for another one."""
    return [number_and_key(keys, ticket)[0] for ticket in tickets]


@dataclass(frozen=True)
class Cursor:
    """How far a phone knows the journal: the last fact, and when it was read (s since the epoch); ``keys`` says
    which keys its pack is made with."""

    keys: str
    fact: int
    read_at: int

    def __str__(self) -> str:
        return f"{self.keys}.{self.fact}.{self.read_at}"

    @classmethod
    def parse(cls, text: str) -> Cursor | None:
        """The reverse of ``str``; ``None`` for anything else."""
        found = re.fullmatch(r"([A-Za-z0-9_-]{8})\.(\d{1,18})\.(\d{1,12})", text, re.ASCII)
        return cls(found[1], int(found[2]), int(found[3])) if found else None

    @classmethod
    def at(cls, keys: Keys, fact: int, now: datetime) -> Cursor:
        """The cursor of a pack made now."""
        both = hmac.digest(keys.search, keys.salt, "sha256")
        return cls(_text(both[:6]), fact, int(now.timestamp()))


def public(keys: Keys) -> Mapping[str, str]:
    """The keys as the pack tells them."""
    return {"salt": _text(keys.salt), "search": _text(keys.search)}


def sheets(keys: Keys, guests: Iterable[Guest]) -> list[Sheet]:
    """Everybody, in an order that tells nothing."""
    return sorted((Sheet.of(keys, guest) for guest in guests), key=lambda one: one.number)


def tag(some: Iterable[Sheet], other: Iterable[str]) -> str:
    """What a phone says of the pack it has and the app of the one it would send: a print per shelf, of all guests on
    it, and one of the numbers of other events."""
    mixed = dict.fromkeys(SHELVES, 0)
    for one in some:
        mixed[one.number[0]] ^= int.from_bytes(one.print)
    rest = 0
    for number in other:
        rest ^= int.from_bytes(base64.urlsafe_b64decode(number)[:PRINT])
    return "".join(_text(one.to_bytes(PRINT)) for one in (*mixed.values(), rest))


def differing(one: str, other: str) -> tuple[str, bool]:
    """The shelves on which two tags differ, and whether the numbers of other events do."""
    wide = len(_text(bytes(PRINT)))
    *shelves, others_differ = (
        one[at : at + wide] != other[at : at + wide] for at in range(0, len(one), wide)
    )
    return "".join(shelf for shelf, differs in zip(SHELVES, shelves, strict=True) if differs), others_differ


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
