"""Which events the portal has, under which scope.

Source: api-reference/crm/*/events/, api-reference/crm/universal/events/, api-reference/tasks/events-tasks/,
api-reference/common/events/, api-reference/events/on-offline-event.md.
"""

from __future__ import annotations

import sqlite3

ACTIONS = ("ADD", "UPDATE", "DELETE")

COMMON = (
    "ONAPPINSTALL", "ONAPPUNINSTALL", "ONAPPUPDATE", "ONAPPPAYMENT", "ONAPPMETHODCONFIRM", "ONAPPTEST",
    "ONOFFLINEEVENT",
)  # fmt: skip


def _with_actions(*stems: str) -> tuple[str, ...]:
    return tuple(stem + action for stem in stems for action in ACTIONS)


CRM_OBJECTS = (
    "LEAD", "DEAL", "CONTACT", "COMPANY", "QUOTE", "ACTIVITY", "TIMELINECOMMENT", "DYNAMICITEM", "TYPE",
    "REQUISITE",
    "BANKDETAIL",
)  # fmt: skip
WITH_FIELDS = ("TYPE", "LEAD", "DEAL", "CONTACT", "COMPANY", "QUOTE")

BY_SCOPE: dict[str, tuple[str, ...]] = {
    "crm": (
        *_with_actions(*(f"ONCRM{name}" for name in CRM_OBJECTS)),
        "ONCRMDEALMOVETOCATEGORY", "ONCRMADDRESSREGISTER", "ONCRMADDRESSUNREGISTER",
        "ONCRMTIMELINEITEMACTION",
        *_with_actions(*(f"ONCRM{name}USERFIELD" for name in WITH_FIELDS)),
        *(f"ONCRM{name}USERFIELDSETENUMVALUES" for name in WITH_FIELDS),
    ),
    "task": _with_actions("ONTASK", "ONTASKCOMMENT"),
    "user": ("ONUSERADD",),
}  # fmt: skip

PER_TYPE = _with_actions("ONCRMDYNAMICITEM")


def per_type_names(db: sqlite3.Connection) -> list[str]:
    """``ONCRMDYNAMICITEMADD_130`` and so on for every smart process of the portal."""
    return [f"{name}_{number}" for number in entity_type_ids(db) for name in PER_TYPE]


def entity_type_ids(db: sqlite3.Connection) -> list[int]:
    """``entityTypeId`` of every smart process, read from the state of the CRM."""
    return [int(row[0]) for row in db.execute("SELECT entity_type_id FROM crm_type ORDER BY 1").fetchall()]


def names_for(db: sqlite3.Connection, scopes: frozenset[str] | set[str]) -> list[str]:
    """Events an application with these scopes can bind, upper case, common ones first."""
    names = list(COMMON)
    for scope, more in BY_SCOPE.items():
        if scope in scopes:
            names.extend(more)
    if "crm" in scopes:
        names.extend(per_type_names(db))
    return names


def exists(db: sqlite3.Connection, name: str) -> bool:
    """Whether the portal has such an event under any scope."""
    if name in COMMON or any(name in names for names in BY_SCOPE.values()):
        return True
    stem, _, number = name.rpartition("_")
    return stem in PER_TYPE and number.isdigit() and int(number) in entity_type_ids(db)
