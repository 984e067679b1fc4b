"""Who works here: users and heads of departments, read when somebody is missing and once a day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from b24 import errors
from b24.store import marks
from b24.store.engine import Tx
from smart_process.store import colleagues as store
from smart_process.store import outcomes
from smart_process.sync import handing_on
from smart_process.sync.work import Work, all_unread

MARK = "colleagues"
STALE = timedelta(days=1)


def ask_if_old(tx: Tx, portal_id: int, now: datetime) -> str | None:
    """Have colleagues read when that was never done, or a day ago.

    Returns:
        ``waiting``, ``held`` (they cannot be read), ``None`` when nothing has to be.
    """
    everybody = store.everybody(tx, portal_id)
    asked = outcomes.colleagues_mark(tx, portal_id)
    old = not everybody or min(row["read_at"] for row in everybody.values()) < now - STALE
    if asked is None and old:
        marks.mark(tx, portal_id, MARK, [0], now=now)
        return "waiting"
    return asked


def refresh(work: Work) -> int:
    """Read all users and departments when asked to."""
    claimed = work.claim(MARK, limit=1)
    if not claimed:
        return 0
    try:
        users = work.client.listed("user.get")
        departments = work.client.listed("department.get", start_name="START")
    except errors.B24Error as error:
        all_unread(work, claimed, error)
        return 1
    heads = {
        str(one["ID"]): int(one["UF_HEAD"]) for one in departments if str(one.get("UF_HEAD") or "0") != "0"
    }
    parents = {str(one["ID"]): str(one.get("PARENT") or "") for one in departments}
    rows = [_colleague(user, heads, parents) for user in users]
    with work.service.store.transaction() as tx:
        store.replace(tx, work.portal_id, rows, now=work.now())
        handing_on.note(tx, work.portal_id, now=work.now())
    work.finish(claimed)
    return 1


def _colleague(
    user: Mapping[str, Any], heads: Mapping[str, int], parents: Mapping[str, str]
) -> dict[str, Any]:
    user_id = int(user["ID"])
    name = " ".join(part for part in (user.get("NAME"), user.get("LAST_NAME")) if part)
    return {
        "user_id": user_id,
        "name": (name or str(user.get("EMAIL") or f"#{user_id}"))[:160],
        "active": user.get("ACTIVE") in (True, "Y", "true", 1),
        "head_id": _head(user, user_id, heads, parents),
    }


def _head(
    user: Mapping[str, Any], user_id: int, heads: Mapping[str, int], parents: Mapping[str, str]
) -> int | None:
    """The nearest head above: of the department, or of the one above it when they are the head themselves."""
    departments = user.get("UF_DEPARTMENT") or []
    at = str(departments[0]) if departments else ""
    for _ in range(20):
        if not at:
            return None
        if heads.get(at) not in (None, user_id):
            return heads[at]
        at = parents.get(at, "")
    return None
