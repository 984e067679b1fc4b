"""The app installed through the portal's own sequence, as an administrator's browser does it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import requests

from smart_process.demo.portal import ADMIN, LocalPortal, PortalFailed
from smart_process.schema import SCOPES

Say = Callable[[str], None]
WAIT_S = 60.0
# How often the administrator presses «Повторить»: a busy machine may miss the portal's cut-off.
REPEATS = 3


def register(portal: LocalPortal, app_url: str) -> dict[str, Any]:
    """Register the local application in the portal: what its administrator types under «Разработчикам»."""
    asked = {"title": "Мероприятия", "scopes": sorted(SCOPES), "user_id": ADMIN, **_addresses(app_url)}
    found: dict[str, Any] = portal.control("apps", asked)
    return found


def move(portal: LocalPortal, app_id: int, app_url: str) -> None:
    """The app answers elsewhere: an administrator types the new addresses in and opens the installer again."""
    portal.control(f"apps/{app_id}/move", _addresses(app_url))


def _addresses(app_url: str) -> dict[str, str]:
    return {"handler_url": f"{app_url}/b24/app", "installer_url": f"{app_url}/b24/install"}


def install(portal: LocalPortal, app_id: int, say: Say) -> None:
    """Open the installer page, take its steps, end with installFinish; again on a portal that has the app.

    Raises:
        PortalFailed: the installer reported a problem.
    """
    installer = next(one["installer_url"] for one in portal.control("apps") if one["id"] == app_id)
    opened = portal.control(f"apps/{app_id}/open", {"user_id": ADMIN, "url": installer})
    url, fields = opened["url"], opened["fields"]
    with requests.Session() as browser:
        reply = browser.post(url, data=fields, headers={"Accept": "application/json"}, timeout=WAIT_S)
        if reply.status_code != 200:
            raise PortalFailed(f"installation refused: {reply.status_code} {reply.text[:300]}")
        begun = reply.json()
        _steps(browser, begun, url, say)
    portal.control(f"apps/{app_id}/install-finish", {"access_token": fields["AUTH_ID"]})


def _steps(browser: requests.Session, begun: dict[str, Any], url: str, say: Say) -> None:
    session = {"X-Page-Session": begun["session"]}
    step_url = requests.compat.urljoin(url, begun["step_url"])
    told: set[str] = set()
    until = time.monotonic() + WAIT_S * 3
    repeats = 0
    while time.monotonic() < until:
        reply = browser.post(step_url, headers=session, timeout=WAIT_S)
        answer = reply.json()
        if reply.status_code != 200:
            raise PortalFailed(f"installation stopped: {answer}")
        if answer["problem"]:
            repeats += 1
            if repeats > REPEATS:
                raise PortalFailed(f"installation stopped: {answer['problem']}")
            continue
        for step in answer["steps"]:
            if step["state"] == "done" and step["key"] not in told:
                told.add(step["key"])
                say(f"  {len(told)}/{len(answer['steps'])} {step['title']}")
        if answer["done"]:
            return
        if answer["busy"]:
            time.sleep(0.2)
    raise PortalFailed("installation did not end in time")
