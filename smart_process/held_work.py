"""Work that waits for a person: why, what to do, trying it again, leaving it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from b24.store import marks
from b24.store.engine import Tx
from smart_process import refusals
from smart_process.card_paths import card_path
from smart_process.language import translator
from smart_process.provision import problems
from smart_process.schema import Binding, Words
from smart_process.store import held_work as store
from smart_process.store import messages, setups

REASONS = {"setup": "Не хватает настройки", "permanent": "Портал отказал", "internal": "Ошибка приложения"}
ADVICE = {
    "setup": "Исправьте настройки портала или приложения и повторите.",
    "permanent": "Откройте карточку, исправьте, на что жалуется портал, и повторите – или откажитесь.",
    "internal": "Повторите после обновления приложения; если не поможет, сообщите разработчику этот текст.",
}
"""What to do where the error says no better, Russian, by the reason of ``b24.store.marks.hold``."""


@dataclass(frozen=True)
class Shown:
    """One held object: ``path`` leads to its card in the portal, "" while there is none."""

    work: marks.Held
    path: str
    item_id: int | None


def kind_words(kind: str) -> Words | str:
    """What kind of work waits."""
    return problems.KINDS.get(kind, kind)


def why(reason: str, error: str) -> Words | str:
    """An error of a mark in words where its code is known, else the portal's own text without markup."""
    if reason == "internal":
        return problems.INTERNAL
    return problems.explain_code(error.partition(":")[0].strip()) or refusals.plain(error)


def look_up(
    tx: Tx, portal_id: int, binding: Binding, *, reason: str, kind: str | None = None, limit: int
) -> list[Shown]:
    """Work held for a reason with its cards, the latest first."""
    some = marks.held(tx, portal_id, reason=reason, kind=kind, limit=limit)
    found = store.cards(tx, portal_id, binding, [(one.kind, one.key) for one in some])
    shown = []
    for one in some:
        card = found.get((one.kind, one.key))
        shown.append(Shown(one, card_path(*card) if card else "", card[1] if card else None))
    return shown


def give_up(tx: Tx, portal_id: int, *, reason: str, kind: str, key: str, user_id: int, now: datetime) -> bool:
    """Leave held work undone because an administrator says so; who and when is kept.

    A mail becomes one that was not sent: it can be sent again where its event shows it. ``False``: it does not wait any
    more.
    """
    if not marks.give_up(tx, portal_id, reason=reason, kind=kind, key=key, by=user_id, now=now):
        return False
    if kind == messages.SEND:
        _ = translator(setups.read(tx, portal_id).settings.language)
        messages.failed(tx, int(key), _("Отменил администратор № %(user)s.", user=user_id))
        marks.unmark(tx, portal_id, kind, key)
    return True
