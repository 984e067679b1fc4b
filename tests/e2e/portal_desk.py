"""A colleague at the sandbox portal in a browser: cards, their tabs, the mailbox – by what is written on the screen."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import requests
from playwright.sync_api import FrameLocator, Locator, Page, expect

SLOW_MS = 40_000
"""For what travels app → portal → app on a busy machine."""


class Desk:
    """One browser page in the portal."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self._origin = origin

    def open(self, path: str) -> Page:
        """A page of the portal."""
        self.page.goto(f"{self._origin}{path}")
        return self.page

    def stage(self, card: str, title: str) -> None:
        """Move a card by clicking a stage at its top."""
        button = self.open(card).locator("ol.stages").get_by_role("button", name=title, exact=True)
        button.click()
        expect(button).to_have_attribute("aria-current", "step")

    def tab(self, card: str, title: str) -> FrameLocator:
        """Open the app's tab on a card; what stands in its frame."""
        page = self.open(card)
        tab = page.get_by_role("tab", name=title, exact=True)
        tab.click()
        return page.frame_locator(f"#{tab.get_attribute('aria-controls')} iframe.app-frame")

    def card_in_column(self, kanban: str, title: re.Pattern[str]) -> Locator:
        """A card of a kanban, as soon as it is there: the kanban follows what applications do."""
        found = self.open(kanban).locator(".column .card", has_text=title)
        expect(found).to_have_count(1, timeout=SLOW_MS)
        return found

    def letter(self, to: str, subject: str) -> FrameLocator:
        """Wait for a mail and open it; its body."""
        page = self.open(f"/sandbox/mail?q={quote(to)}")
        row = page.locator("tbody tr", has_text=to).filter(has_text=subject)
        expect(row).to_have_count(1, timeout=SLOW_MS)
        href = row.get_by_role("link").get_attribute("href")
        return self.open(str(href)).frame_locator("iframe.letter")


def rest(access_url: str, method: str, **params: Any) -> Any:
    """A REST method as the portal's administrator: for addresses a person would click their way to."""
    webhook = requests.get(access_url, timeout=10).json()["webhook_url"]
    return requests.post(f"{webhook}{method}", json=params, timeout=10).json()["result"]
