"""What became of outcomes: deals and tasks of ours, and deals of others that count like ours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from b24.store import marks
from b24.store.engine import Tx
from smart_process.deciding import LINKED, ORIGIN
from smart_process.facts import Kind, NewFact
from smart_process.schema import APP, DEAL
from smart_process.store import journal, outcomes
from smart_process.store import sync as store
from smart_process.store import tables as t
from smart_process.store.accounts import LOST
from smart_process.sync import foreign_deals, picture, tasks
from smart_process.sync.existing import existing
from smart_process.sync.outcomes import hand_over
from smart_process.sync.work import Work

Item = Mapping[str, Any]
DEAL_SELECT = (
    "id",
    "title",
    "stageId",
    "stageSemanticId",
    "categoryId",
    "companyId",
    "contactIds",
    "assignedById",
    "updatedTime",
    "movedTime",
    "originatorId",
    "originId",
    "webformId",
    "leadId",
    "contactId",
    "createdTime",
)
RESULTS = {"S": "won", "F": "lost"}
NOBODY: frozenset[int] = frozenset()


def observe(
    work: Work, found: Mapping[int, Item], gone: frozenset[int], last: frozenset[int] = frozenset()
) -> frozenset[int]:
    """Follow our deals to success, failure or reopening; a deal a person deleted is a decision.

    Others' deals that concern an event count like ours from now on (sync/foreign_deals).
    """
    back = _came_back(work, found, gone)
    early = foreign_deals.observe(work, found, last)
    with work.service.store.transaction() as tx:
        for row in back:
            _restored(tx, work, row)
        for row in store.outcomes_by_item(tx, work.portal_id, "deal", [*found, *gone]):
            item = found.get(row["item_id"])
            if item is None:
                _gone(tx, work, row)
            else:
                _deal(tx, work, row, item)
    return early


def _came_back(work: Work, found: Mapping[int, Item], gone: frozenset[int]) -> list[Mapping[str, Any]]:
    """Outcomes whose deal somebody took out of the recycle bin, where it got another id; that id is theirs now."""
    keys = {
        str(item["originId"]): item_id for item_id, item in found.items() if item.get("originatorId") == APP
    }
    if not keys:
        return []
    with work.service.store.reading() as tx:
        rows = store.outcomes_by_uid(tx, work.portal_id, keys)
    moved = [row for row in rows if row["item_id"] not in (None, keys[row["uid"]])]
    standing = existing(work, DEAL, {row["item_id"] for row in moved} - gone)
    return [{**row, "item_id": keys[row["uid"]]} for row in moved if row["item_id"] not in standing]


def _restored(tx: Tx, work: Work, row: Mapping[str, Any]) -> None:
    """Live again, unless another outcome has taken its place meanwhile."""
    now = work.now()
    replaced = row["state"] == "removed" and store.live_outcome(tx, row["event_id"], row["subject"])
    state = row["state"] if replaced or row["state"] != "removed" else "live"
    store.update(tx, t.outcome, row["id"], item_id=row["item_id"], state=state)
    if state == "live":
        hand_over(tx, work, row, row["item_id"], now, key=f"outcome:{row['id']}:restored:{row['item_id']}")
        # What was learned while it lay in the bin, and what could not be written into it before.
        marks.mark(tx, work.portal_id, journal.DECIDE, [f"{row['event_id']}:{row['subject']}"], now=now)
        outcomes.push(tx, work.portal_id, row["id"], now=now)


def _deal(tx: Tx, work: Work, row: Mapping[str, Any], item: Item) -> None:
    result = RESULTS.get(str(item.get("stageSemanticId") or ""))
    shadow = {
        "stage": item.get("stageId"),
        "responsible_id": picture.number(item.get("assignedById")),
        "contact_ids": sorted(picture.number(one) for one in item.get("contactIds") or []),
        "company_id": picture.number(item.get("companyId")),
    }
    before = row["shadow"]
    touched = (
        row["touched"]
        or ("stage" in before and shadow["stage"] != before["stage"])
        or (
            "responsible_id" in before
            and shadow["responsible_id"] not in (before["responsible_id"], row["owner_id"])
        )
    )
    facts = []
    if result != row["result"] and "won" in (result, row["result"]):
        kind = Kind.WON if result == "won" else Kind.REOPENED
        at = datetime.fromisoformat(str(item.get("movedTime") or item["updatedTime"]))
        # Numbered: won, reopened and won again within one second of the portal's clock are three facts.
        shadow["turns"] = before.get("turns", 0) + 1
        key = f"deal:{row['item_id']}:{row['id']}:{shadow['turns']}:{kind.value}"
        facts.append(NewFact(kind, at, "portal", key, data={"deal_id": row["item_id"]}))
    store.update(tx, t.outcome, row["id"], shadow=before | shadow, touched=touched, result=result)
    if before.get(LOST) and not shadow["company_id"]:
        outcomes.push(tx, work.portal_id, row["id"], now=work.now())
    if _unlinked(tx, work, row, item):
        _let_go(tx, work, row)
    journal.record(tx, dict.fromkeys(row["content"]["participations"], facts), now=work.now())


def _unlinked(tx: Tx, work: Work, row: Mapping[str, Any], item: Item) -> bool:
    """Whether a person took a deal of theirs off the event again."""
    if row["content"].get(ORIGIN) != LINKED or row["state"] not in (outcomes.LIVE, outcomes.BESIDE):
        return False
    (event,) = store.events(tx, [row["event_id"]])
    return bool(picture.number(item.get(work.binding.parent_event)) != event["item_id"])


def _let_go(tx: Tx, work: Work, row: Mapping[str, Any]) -> None:
    """The deal stands for nobody here any more; it is no outcome, so that it may be linked again."""
    now, pids = work.now(), row["content"]["participations"]
    store.update(tx, t.outcome, row["id"], state=outcomes.WITHDRAWN, item_id=None)
    key = f"outcome:{row['id']}:unlinked"
    gone = [NewFact(Kind.OUTCOME_WITHDRAWN, now, "portal", key)]
    if row["result"] == "won":
        data = {"deal_id": row["item_id"]}
        gone.append(NewFact(Kind.REOPENED, now, "portal", f"{key}:won", data=data))
    outcomes.let_go(tx, outcomes.spoken_for(tx, row["id"], pids))
    journal.record(tx, dict.fromkeys(pids, gone), now=now)
    marks.mark(tx, work.portal_id, journal.DECIDE, [f"{row['event_id']}:{row['subject']}"], now=now)


def _gone(tx: Tx, work: Work, row: Mapping[str, Any]) -> None:
    """A deleted outcome is a decision: not made again; what was handed over is not any more."""
    now = work.now()
    # What was held because it could not be written any more is settled with it.
    marks.mark(tx, work.portal_id, outcomes.PUSH, [row["id"]], now=now)
    if row["state"] != "live":
        store.update(tx, t.outcome, row["id"], shadow={**row["shadow"], "closed": True})
        return
    store.update(tx, t.outcome, row["id"], state="removed")
    fact = NewFact(Kind.OUTCOME_WITHDRAWN, now, "portal", f"outcome:{row['id']}:removed:{row['item_id']}")
    journal.record(tx, {pid: [fact] for pid in row["content"]["participations"]}, now=now)


def task(tx: Tx, work: Work, row: Mapping[str, Any], found: Item | None) -> None:
    """Take over what became of a task of ours; ``None`` when it was deleted."""
    if found is None:
        _gone(tx, work, row)
        return
    done = str(found.get("status")) == tasks.DONE
    responsible = picture.number(found.get("responsibleId"))
    before = row["shadow"]
    touched = (
        row["touched"]
        or done
        or ("responsible_id" in before and responsible not in (before["responsible_id"], row["owner_id"]))
    )
    store.update(
        tx,
        t.outcome,
        row["id"],
        shadow=before | {"responsible_id": responsible, "status": str(found.get("status"))},
        touched=touched,
        result="done" if done else None,
    )
    if touched and not row["touched"]:
        # A task closed by a person in the moment we wanted to close it: our refused call is settled.
        marks.mark(tx, work.portal_id, outcomes.PUSH, [row["id"]], now=work.now())
