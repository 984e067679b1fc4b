"""Notifications (the bell of the portal): ``im.notify.*``.

Source: api-reference/chats/notifications/.
"""

from __future__ import annotations

from typing import Any

from b24.sandbox.kernel import Call, RestError, method, tables
from b24.sandbox.php import whole
from b24.sandbox.users import card, full_name, upper_keys

PAGE = 50
ATTACH_LIMIT = 60_000

tables(
    """
    CREATE TABLE IF NOT EXISTS notifications (
        id INTEGER PRIMARY KEY AUTOINCREMENT, user_id INTEGER NOT NULL, author_id INTEGER NOT NULL,
        app_id INTEGER, kind TEXT NOT NULL, text TEXT NOT NULL, text_out TEXT NOT NULL DEFAULT '',
        tag TEXT NOT NULL DEFAULT '', sub_tag TEXT NOT NULL DEFAULT '', created TEXT NOT NULL,
        read INTEGER NOT NULL DEFAULT 0);
    CREATE INDEX IF NOT EXISTS notifications_by_user ON notifications (user_id, id);
    """
)


def _add(call: Call, kind: str) -> int | bool:
    params = upper_keys(call.params)
    user_id = whole(params.get("USER_ID") or params.get("TO"))
    if user_id <= 0:
        raise RestError("USER_ID_EMPTY", "User ID can't be empty", 400)
    text = str(params.get("MESSAGE") or "").strip()
    if not text:
        raise RestError("MESSAGE_EMPTY", "Message can't be empty", 400)
    if len(str(params.get("ATTACH") or "")) > ATTACH_LIMIT:
        raise RestError("ATTACH_OVERSIZE", "You have exceeded the maximum allowable size of attach", 400)
    found = call.db.execute("SELECT 1 FROM users WHERE id = ? AND active = 1", (user_id,)).fetchone()
    return _store(call, kind, user_id, text, params) if found else False


def _store(call: Call, kind: str, user_id: int, text: str, params: dict[str, Any]) -> int:
    """Keep the notification; one with the same tag of the same application gives way to it."""
    tag = str(params.get("TAG") or "")
    if tag:
        call.db.execute(
            "DELETE FROM notifications WHERE tag = ? AND app_id IS ? AND user_id = ?",
            (tag, call.app_id, user_id),
        )
    author = 0 if kind == "system" else call.user_id
    cursor = call.db.execute(
        "INSERT INTO notifications (user_id, author_id, app_id, kind, text, text_out, tag, sub_tag, created)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (user_id, author, call.app_id, kind, text, str(params.get("MESSAGE_OUT") or ""), tag,
         str(params.get("SUB_TAG") or ""), call.portal.now().isoformat()),
    )  # fmt: skip
    return int(cursor.lastrowid or 0)


@method("im.notify.system.add", scope="im")
def im_notify_system_add(call: Call) -> int | bool:
    """A notification from the system. Source: im-notify-system-add.md."""
    return _add(call, "system")


@method("im.notify.personal.add", scope="im")
def im_notify_personal_add(call: Call) -> int | bool:
    """A notification from the calling user. Source: im-notify-personal-add.md."""
    return _add(call, "personal")


@method("im.notify", scope="im")
def im_notify(call: Call) -> int | bool:
    """The older form of both, told apart by ``TYPE``. Source: im-notify.md."""
    kind = str(upper_keys(call.params).get("TYPE") or "USER").upper()
    return _add(call, "system" if kind == "SYSTEM" else "personal")


@method("im.notify.delete", scope="im")
def im_notify_delete(call: Call) -> bool:
    """Remove notifications by id, tag or sub tag. Source: im-notify-delete.md."""
    params = upper_keys(call.params)
    for name, column in (("ID", "id"), ("TAG", "tag"), ("SUB_TAG", "sub_tag")):
        if params.get(name):
            own = "user_id = ?" if name == "ID" else "app_id IS ?"
            owner = call.user_id if name == "ID" else call.app_id
            sql = f"DELETE FROM notifications WHERE {column} = ? AND {own}"
            wanted = whole(params[name]) if name == "ID" else str(params[name])
            return call.db.execute(sql, (wanted, owner)).rowcount > 0
    raise RestError("PARAMS_ERROR", "Incorrect params", 400)


@method("im.notify.read", scope="im")
def im_notify_read(call: Call) -> bool:
    """Mark notifications from an id on (or just that one) as read or unread. Source: im-notify-read.md."""
    params = upper_keys(call.params)
    number = whole(params.get("ID"), -1)
    if number >= 0:
        read = 0 if str(params.get("ACTION") or "Y").upper() == "N" else 1
        sign = "=" if str(params.get("ONLY_CURRENT") or "").upper() == "Y" else ">="
        call.db.execute(
            f"UPDATE notifications SET read = ? WHERE user_id = ? AND id {sign} ?",
            (read, call.user_id, number),
        )
    return True


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": row["id"], "chat_id": row["user_id"], "author_id": row["author_id"], "date": row["created"],
        "notify_type": 2 if row["author_id"] else 4, "notify_module": "rest", "notify_event": "rest_notify",
        "notify_tag": f"MP|{row['app_id'] or 0}|{row['tag']}" if row["tag"] else "",
        "notify_sub_tag": f"MP|{row['app_id'] or 0}|{row['sub_tag']}" if row["sub_tag"] else "",
        "notify_title": "",
        "setting_name": "rest|rest_notify", "text": row["text"], "notify_read": "Y" if row["read"] else "N",
        "params": None,
    }  # fmt: skip


def _author(row: Any) -> dict[str, Any]:
    fields = card(row)
    return {
        "id": row["id"], "active": fields["ACTIVE"], "name": full_name(row), "first_name": row["name"],
        "last_name": row["last_name"], "work_position": row["position"], "email": row["email"],
        "departments": fields["UF_DEPARTMENT"], "type": "user", "bot": False, "extranet": False,
    }  # fmt: skip


@method("im.notify.get", scope="im")
def im_notify_get(call: Call) -> dict[str, Any]:
    """Notifications of the caller, newest first. Source: im-notify-get.md."""
    params = upper_keys(call.params)
    last = params.get("LAST_ID")
    if (last is None) != (params.get("LAST_TYPE") is None):
        text = "Parameters LAST_ID and LAST_TYPE should be used together."
        raise RestError("LAST_ID_AND_LAST_TYPE", text, 400)
    if last is not None and whole(last, -1) < 0:
        raise RestError("LAST_ID_STRING", "Last notification ID can't be string", 400)
    limit = max(whole(params.get("LIMIT"), PAGE), 1)
    rows = call.db.execute(
        "SELECT * FROM notifications WHERE user_id = ? AND id < ? ORDER BY id DESC LIMIT ?",
        (call.user_id, whole(last, 2**62), min(limit, PAGE)),
    ).fetchall()
    count = call.db.execute(
        "SELECT COUNT(*) AS total, SUM(read = 0) AS unread FROM notifications WHERE user_id = ?",
        (call.user_id,),
    ).fetchone()
    authors = sorted({row["author_id"] for row in rows if row["author_id"]})
    people = [call.db.execute("SELECT * FROM users WHERE id = ?", (one,)).fetchone() for one in authors]
    found = {"notifications": [_shown(row) for row in rows], "users": [_author(row) for row in people if row]}
    if not count["total"]:
        return found
    return {
        "total_count": count["total"],
        "total_unread_count": count["unread"],
        "chat_id": call.user_id,
    } | found
