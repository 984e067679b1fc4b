"""Stage moves as the portal's history tells them: one row per move, never guessed from two readings.

Our own pushes leave rows too. They are told apart by order and value: every stage we pushed since the last look is
remembered in the shadow and crossed off against the history, the rest was a person's hand.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from b24 import errors
from b24.answers import Answer
from smart_process.sync.picture import Picture
from smart_process.sync.work import Commands, Work

Command = tuple[str, Mapping[str, Any]]
OWNERS = 25
"""Items asked for in one command: a history page has 50 rows."""

SEEN = "_history"
"""In a shadow: id of the last history row that was looked at."""
PUSHED = "_pushed"
"""In a shadow: stages we pushed since then, in order."""
ASIDE = "_aside"
"""In a shadow: our stage while people keep the item in a stage of their own."""


@dataclass(frozen=True)
class Move:
    """One row of the stage history. ``to`` is our stage key, or ``portal:<code>`` for a stage people made."""

    history_id: int
    to: str
    at: datetime
    first: bool = False


@dataclass(frozen=True)
class History:
    """First pages of a history by key: what was asked, and what came. Asked with the items, it costs no request."""

    asked: Commands
    replies: Mapping[str, Answer | errors.B24Error]


def commands(entity_type_id: int, since: Mapping[int, int]) -> Commands:
    """What to ask for moves of items after the history row each was last seen at.

    Source: crm/crm-stage-history-list.
    """
    # Items looked at about the same time stand together: what all of them have behind them is not read again.
    owners = sorted(since, key=lambda owner: (since[owner], owner))
    pages = [owners[at : at + OWNERS] for at in range(0, len(owners), OWNERS)]
    return {f"h{n}": _page(entity_type_id, page, since[page[0]]) for n, page in enumerate(pages)}


def _page(entity_type_id: int, owners: Sequence[int], after: int) -> Command:
    return "crm.stagehistory.list", {
        "entityTypeId": entity_type_id,
        "filter": {"@OWNER_ID": sorted(owners), ">ID": after},
        "order": {"ID": "ASC"},
        "start": 0,
    }


def read(
    work: Work, entity_type_id: int, since: Mapping[int, int], first: History | None = None
) -> dict[int, list[Move]]:
    """Moves of items after the history row each was last seen at.

    ``TYPE_ID`` 1 is the creation. Values come as strings or numbers.

    Args:
        first: its first pages, when they were asked for already; of these items or more.
    Raises:
        B24Error: the history cannot be read.
    """
    if not since:
        return {}
    if first is None:
        asked = commands(entity_type_id, since)
        first = History(asked, work.client.batch(asked))
    kind = work.binding.of(entity_type_id)
    stages = {code: key for key, code in kind.stages.items()} if kind else {}
    moves: dict[int, list[Move]] = defaultdict(list)
    for row in _rows(work, first):
        owner, history_id = int(row["OWNER_ID"]), int(row["ID"])
        if owner in since and history_id > since[owner]:
            moves[owner].append(
                Move(
                    history_id,
                    stages.get(row["STAGE_ID"], f"portal:{row['STAGE_ID']}"),
                    datetime.fromisoformat(row["CREATED_TIME"]),
                    first=str(row["TYPE_ID"]) == "1",
                )
            )
    return {owner: sorted(some, key=lambda move: move.history_id) for owner, some in moves.items()}


def _rows(work: Work, pages: History) -> list[Mapping[str, str]]:
    found: list[Mapping[str, str]] = []
    while True:
        following: dict[str, Command] = {}
        for key, reply in pages.replies.items():
            if isinstance(reply, errors.B24Error):
                raise reply
            found += reply.result["items"]
            if reply.next:
                method, params = pages.asked[key]
                following[key] = method, {**params, "start": reply.next}
        if not following:
            return found
        pages = History(following, work.client.batch(following))


def by_people(shadow: Picture, moves: Sequence[Move]) -> list[Move]:
    """The moves that are not echoes of our own pushes: each pushed stage accounts for one row, in order."""
    ours = list(shadow.get(PUSHED, []))
    left = []
    for move in moves:
        if ours and move.to in ours:
            ours = ours[ours.index(move.to) + 1 :]
        elif not move.first:
            left.append(move)
    return left


def remember(shadow: Picture, moves: Sequence[Move]) -> None:
    """Note in the shadow how far the history was looked at."""
    if moves:
        shadow[SEEN] = moves[-1].history_id
        shadow[PUSHED] = []


def pushed(shadow: Picture, stage: str) -> None:
    """Note in the shadow that we moved the item to ``stage``."""
    shadow[PUSHED] = [*shadow.get(PUSHED, []), stage]


def stand_aside(shadow: Picture, now: Picture, ours: str) -> None:
    """An item in a stage people made themselves stays there until our own stage goes on from ``ours``."""
    if now.get("stage", "").startswith("portal:"):
        shadow[ASIDE] = ours
    else:
        shadow.pop(ASIDE, None)


def may_push(shadow: Picture, ours: str) -> bool:
    """Whether our stage may be written over what the portal shows."""
    return shadow.get(ASIDE) != ours
