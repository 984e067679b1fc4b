"""Our pages inside the portal as an administrator opens them over the network, in the middle of a story."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from b24.page_session import HEADER
from placements.session import TOKEN_HEADER
from smart_process.schema import PLACEMENTS
from tests.smart_process.sync.story import Story


def press(story: Story, button: str, item_id: int) -> Any:
    """Press a button on a guest's tab of a participation card; what our app answers."""
    place = next(one for one in PLACEMENTS if one.name == "participation")
    code = place.code_in({"participation": story.eti})
    page = _opened(story, "placement/participation", placement=code, options={"ID": str(item_id)})
    return _asked(story, "POST", f"participation/{button}", page, {})


def save(story: Story, section: str, **values: Any) -> Any:
    """Save a section of the settings page; what our app answers."""
    page, path = _opened(story, "app"), f"settings/sections/{section}"
    revision = _asked(story, "GET", path, page)["revision"]
    return _asked(story, "POST", path, page, {"values": values, "revision": revision})


def _opened(story: Story, path: str, **more: Any) -> dict[str, str]:
    """Open a page of ours; the headers its script sends."""
    ours = next(one for one in story.rest.control("apps", method="GET") if one["installer_url"])
    opened = story.rest.control(f"apps/{ours['id']}/open", {"user_id": 1, **more})
    query, fields = opened["url"].partition("?")[2], dict(opened["fields"])
    address = f"{story.service.public_url}/b24/{path}?{query}"
    shown = story.rest.http.post(address, data=fields, timeout=30)
    found = re.search(r'data-session="([^"]+)"', shown.text)
    assert found, shown.text
    return {HEADER: found[1], TOKEN_HEADER: fields["AUTH_ID"]}


def _asked(story: Story, method: str, path: str, headers: Mapping[str, str], body: Any = None) -> Any:
    address = f"{story.service.public_url}/b24/api/{path}"
    reply = story.rest.http.request(method, address, json=body, headers=headers, timeout=30)
    assert reply.status_code == 200, reply.text
    return reply.json()
