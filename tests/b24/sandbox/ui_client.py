"""A colleague at the portal's pages without a browser: forms are posted as the pages post them."""

from __future__ import annotations

from typing import Any

import requests

from tests.b24.sandbox.client import Rest

LEAD, DEAL, CONTACT, COMPANY = 1, 2, 3, 4


class Colleague:
    """Somebody signed in; the administrator without an id."""

    def __init__(self, url: str, user_id: int = 1) -> None:
        self.url = url
        self.user_id = user_id
        self.http = requests.Session()
        self.http.cookies.set("b24sandbox_user", str(user_id))

    def get(self, path: str, status: int = 200) -> str:
        """A page's HTML."""
        answer = self.http.get(self.url + path, timeout=20)
        assert answer.status_code == status, answer.text
        return answer.text

    def post(self, path: str, status: Any = 200, files: Any = None, **form: Any) -> requests.Response:
        """Send a form; redirects are followed, as a browser does."""
        answer = self.http.post(self.url + path, data=form, files=files, timeout=20)
        assert answer.status_code == status, answer.text
        return answer

    def move(self, entity_type_id: int, item_id: int, stage_id: str) -> requests.Response:
        """Drop a card on a stage of the kanban."""
        body = {"entityTypeId": entity_type_id, "id": item_id, "stageId": stage_id}
        return self.http.post(f"{self.url}/sandbox/ui/move", json=body, timeout=20)


def employ(rest: Rest, name: str, **rights: str) -> Colleague:
    """A new employee at their desk, with ``read="own"`` and the like for all types."""
    user = rest.control("users", {"name": name, "last_name": "Новых", "email": f"{name}@portal.example"})[
        "id"
    ]
    if rights:
        rest.control(f"users/{user}/rights", {"entity_type_id": 0, **rights})
    return Colleague(rest.url, int(user))


def stages_of(rest: Rest, entity: str) -> list[str]:
    """Codes of a funnel's stages in their order."""
    rows = rest("crm.status.list", {"filter": {"ENTITY_ID": entity}, "order": {"SORT": "ASC"}})
    return [str(row["STATUS_ID"]) for row in rows]
