"""Stage moves as the portal's history tells them: one row per move, never guessed from two readings.

Our own pushes leave rows too. They are told apart by order and value: every stage we pushed since the last look is
remembered in the shadow and crossed off against the history, the rest was a person's hand.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from b24 import errors
from smart_process.sync.picture import Picture
from smart_process.sync.work import Work

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


def read(work: Work, entity_type_id: int, since: Mapping[int, int]) -> dict[int, list[Move]]:
    """Moves of items after the history row each was last seen at; one command per 50 items.

    Source: crm/crm-stage-history-list. ``TYPE_ID`` 1 is the creation. Values come as strings or numbers.
    Raises :class:`b24.errors.B24Error` when the history cannot be read.
    """
    if not since:
        return {}
    kind = work.binding.of(entity_type_id)
    stages = {code: key for key, code in kind.stages.items()} if kind else {}
    moves: dict[int, list[Move]] = defaultdict(list)
    for row in _rows(work, entity_type_id, sorted(since)):
        owner, history_id = int(row["OWNER_ID"]), int(row["ID"])
        if history_id > since.get(owner, 0):
            moves[owner].append(
                Move(
                    history_id,
                    stages.get(row["STAGE_ID"], f"portal:{row['STAGE_ID']}"),
                    datetime.fromisoformat(row["CREATED_TIME"]),
                    first=str(row["TYPE_ID"]) == "1",
                )
            )
    return {owner: sorted(some, key=lambda move: move.history_id) for owner, some in moves.items()}


def _rows(work: Work, entity_type_id: int, owners: Sequence[int]) -> list[Mapping[str, str]]:
    found: list[Mapping[str, str]] = []
    pages = [owners[at : at + 25] for at in range(0, len(owners), 25)]
    asked = {f"h{n}": (page, 0) for n, page in enumerate(pages)}
    while asked:
        replies = work.client.batch(
            {
                key: (
                    "crm.stagehistory.list",
                    {
                        "entityTypeId": entity_type_id,
                        "filter": {"@OWNER_ID": list(page)},
                        "order": {"ID": "ASC"},
                        "start": start,
                    },
                )
                for key, (page, start) in asked.items()
            }
        )
        following = {}
        for key, reply in replies.items():
            if isinstance(reply, errors.B24Error):
                raise reply
            found += reply.result["items"]
            if reply.next:
                following[key] = (asked[key][0], reply.next)
        asked = following
    return found


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
