"""The timeline of a card: comments, to-dos, application records, stage moves and tasks, newest first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from b24.sandbox import mail
from b24.sandbox.crm import emails
from b24.sandbox.kernel import RestError
from b24.sandbox.ui.desk import desk
from b24.sandbox.ui.fields import show_moment
from b24.sandbox.ui.structure import Kind, person_name, stages


@dataclass(frozen=True)
class Entry:
    """One line of the timeline; ``moment`` is ISO and sorts the lines."""

    kind: str
    moment: str
    when: str
    author: str
    title: str
    text: str = ""
    href: str = ""
    activity_id: int = 0
    comment_id: int = 0
    done: bool = False
    deadline: str = ""


def timeline(kind: Kind, item: dict[str, Any]) -> dict[str, list[Entry]]:
    """``planned``: open to-dos and tasks, nearest deadline first; ``history``: all else, newest first."""
    item_id = int(item["id"])
    todos = [*activities(kind, item_id), *tasks(kind, item_id)]
    history = [*comments(kind, item_id), *records(kind, item_id), *moves(kind, item)]
    planned = sorted((one for one in todos if not one.done), key=lambda one: one.deadline or "9999")
    past = [one for one in todos if one.done] + history
    return {"planned": planned, "history": sorted(past, key=lambda one: one.moment, reverse=True)}


def rows_of(name: str, **params: Any) -> list[dict[str, Any]]:
    """Rows of a list method; none where the person may not read them."""
    try:
        result = desk().call(name, **params)
    except RestError:
        return []
    if isinstance(result, dict):
        result = result.get("items") or result.get("tasks") or []
    return list(result)


def comments(kind: Kind, item_id: int) -> list[Entry]:
    """Comments of people and applications."""
    rows = rows_of(
        "crm.timeline.comment.list",
        filter={"ENTITY_ID": item_id, "ENTITY_TYPE": kind.timeline_type},
        order={"ID": "DESC"},
        select=["ID", "CREATED", "AUTHOR_ID", "COMMENT"],
    )
    return [
        replace(
            entry("comment", str(row["CREATED"]), row.get("AUTHOR_ID"), "Комментарий", str(row["COMMENT"])),
            comment_id=int(row["ID"]),
        )
        for row in rows
    ]


def records(kind: Kind, item_id: int) -> list[Entry]:
    """Records applications put into the timeline."""
    rows = rows_of("crm.timeline.logmessage.list", entityTypeId=kind.entity_type_id, entityId=item_id)
    return [
        entry(
            "record",
            str(row["created"]),
            row.get("authorId"),
            str(row.get("title") or ""),
            str(row.get("text") or ""),
        )
        for row in rows
    ]


def moves(kind: Kind, item: dict[str, Any]) -> list[Entry]:
    """Stages the item went through."""
    if not kind.has_stages:
        return []
    names = {one.id: one.name for one in stages(kind, int(item.get("categoryId") or 0))}
    rows = rows_of(
        "crm.stagehistory.list",
        entityTypeId=kind.entity_type_id,
        filter={"OWNER_ID": item["id"]},
        order={"ID": "ASC"},
    )
    stage_key = "STATUS_ID" if kind.slug == "lead" else "STAGE_ID"
    return [
        entry(
            "move",
            str(row["CREATED_TIME"]),
            None,
            "Стадия",
            names.get(str(row.get(stage_key)), str(row.get(stage_key))),
        )
        for row in rows
    ]


def activities(kind: Kind, item_id: int) -> list[Entry]:
    """To-dos and other activities of the card."""
    rows = rows_of(
        "crm.activity.list",
        filter={"OWNER_TYPE_ID": kind.entity_type_id, "OWNER_ID": item_id},
        order={"ID": "DESC"},
        select=[
            "ID",
            "SUBJECT",
            "DESCRIPTION",
            "CREATED",
            "DEADLINE",
            "COMPLETED",
            "RESPONSIBLE_ID",
            "PROVIDER_ID",
            "COMMUNICATIONS",
        ],
    )
    return [_email(row) if row.get("PROVIDER_ID") == "CRM_EMAIL" else _to_do(row) for row in rows]


def _email(row: dict[str, Any]) -> Entry:
    """A mail of the CRM; one that was sent leads to the mailbox it arrived in."""
    activity_id, portal = int(row["ID"]), desk().portal
    found = mail.numbers_of(portal, emails.message_id(portal, activity_id))
    to = ", ".join(str(one["VALUE"]) for one in row.get("COMMUNICATIONS") or [])
    moment = str(row.get("CREATED") or "")
    return replace(
        entry(
            "mail",
            moment,
            row.get("RESPONSIBLE_ID"),
            f"Письмо: {row.get('SUBJECT') or 'без темы'}",
            f"Кому: {to}",
        ),
        activity_id=activity_id,
        done=row.get("COMPLETED") == "Y",
        href=f"/sandbox/mail/{found[0]}" if found else "",
    )


def _to_do(row: dict[str, Any]) -> Entry:
    return Entry(
        "todo",
        str(row.get("CREATED") or ""),
        show_moment(str(row.get("CREATED") or "")),
        person_name(row.get("RESPONSIBLE_ID")),
        str(row.get("SUBJECT") or "Дело"),
        str(row.get("DESCRIPTION") or ""),
        activity_id=int(row["ID"]),
        done=row.get("COMPLETED") == "Y",
        deadline=known_deadline(row.get("DEADLINE")),
    )


def known_deadline(value: Any) -> str:
    """A deadline as ISO; empty for none (a portal writes the year 9999)."""
    text = str(value or "")
    return "" if text.startswith(("9999", "31.12.9999")) else text


def tasks(kind: Kind, item_id: int) -> list[Entry]:
    """Tasks bound to the card."""
    binding = f"{kind.task_prefix}_{item_id}"
    rows = rows_of(
        "tasks.task.list",
        filter={"UF_CRM_TASK": binding},
        order={"ID": "DESC"},
        select=["ID", "TITLE", "DEADLINE", "STATUS", "RESPONSIBLE_ID", "CREATED_DATE"],
    )
    return [
        Entry(
            "task",
            str(row.get("createdDate") or ""),
            show_moment(str(row.get("createdDate") or "")),
            person_name(row.get("responsibleId")),
            str(row["title"]),
            done=str(row.get("status")) == "5",
            href=f"/company/personal/user/{row.get('responsibleId')}/tasks/task/view/{row['id']}/",
            deadline=str(row.get("deadline") or ""),
        )
        for row in rows
    ]


def entry(kind: str, moment: str, author: Any, title: str, text: str) -> Entry:
    """A line without a deadline."""
    return Entry(kind, moment, show_moment(moment), person_name(author), title, text)
