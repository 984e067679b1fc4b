"""The signed-in person at the portal: calls REST methods in their name and reads the portal's structure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from flask import current_app, g

from b24.sandbox.kernel import Answer, RestError
from b24.sandbox.portal import LocalPortal

LEAD, DEAL, CONTACT, COMPANY = 1, 2, 3, 4


@dataclass(frozen=True)
class Desk:
    """One person working with the portal.

    Attributes:
        user_id: whose rights apply to :meth:`call`.
        keeper_id: an administrator, in whose name the structure (types, stages, names of colleagues) is read,
            because a portal shows it to everybody.
    """

    portal: LocalPortal
    user_id: int
    keeper_id: int

    def answer(self, name: str, **params: Any) -> Answer:
        """Run a REST method as this person; raises the documented :class:`RestError`."""
        return self.portal.run(name, params, user_id=self.user_id)

    def call(self, name: str, **params: Any) -> Any:
        """The ``result`` of a REST method run as this person."""
        return self.answer(name, **params).result

    def structure(self, name: str, **params: Any) -> Any:
        """The ``result`` of a REST method that reads the portal's structure, whoever is signed in."""
        return self.portal.run(name, params, user_id=self.keeper_id).result

    def items(self, entity_type_id: int, **params: Any) -> tuple[list[dict[str, Any]], int]:
        """One page of ``crm.item.list`` with the total; nothing where the person may not read the type."""
        try:
            found = self.answer("crm.item.list", entityTypeId=entity_type_id, **params)
        except RestError as error:
            if error.code == "ACCESS_DENIED":
                return [], 0
            raise
        return list(found.result["items"]), found.total or 0


def portal() -> LocalPortal:
    """The portal this Flask application serves."""
    return cast(LocalPortal, current_app.extensions["portal"])


def desk() -> Desk:
    """The desk of the current request; the guard in ``session.py`` put it there."""
    return cast(Desk, g.desk)


def every(pages_of: Any) -> list[Any]:
    """All rows of a paged method: ``pages_of(start)`` returns an :class:`Answer` whose result is a list."""
    rows: list[Any] = []
    start: int | None = 0
    while start is not None:
        page = pages_of(start)
        rows.extend(page.result)
        start = page.next
    return rows
