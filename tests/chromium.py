"""Headless Chromium for tests: pages that may not complain, a phone, and a camera that sees QR codes.

The system's own Chromium is driven (nothing is downloaded). Playwright runs an event loop in the test's
thread, so browsers live for one module and not for the session: the next may run a loop of its own again.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    WebError,
    sync_playwright,
)

from tests.fake_camera import write_camera_video

# It has no window to draw around each page, which makes a page four times as cheap.
SHELLS = ("chromium-headless-shell", "chrome-headless-shell")
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
FLAGS = (
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    # Whatever a page asks for outside this machine is not found, at once.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
CAMERA = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}, "locale": "ru-RU"}
PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "locale": "ru-RU",
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}

Launch = Callable[..., Browser]


class Console:
    """What pages complained about during one test; anything not expected fails the test when it ends."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._expected: list[re.Pattern[str]] = []

    def expect(self, pattern: str) -> None:
        """Let complaints matching the regular expression pass (a refused form logs its 422, say)."""
        self._expected.append(re.compile(pattern))

    def watch(self, context: BrowserContext) -> None:
        """Listen to every page and frame of ``context``, also those opened later."""
        context.on("console", self._on_message)
        context.on("weberror", self._on_exception)
        context.on("request", self._on_request)

    def unexpected(self) -> list[str]:
        """The complaints no expectation covers."""
        return [text for text in self.problems if not any(known.search(text) for known in self._expected)]

    def _on_message(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.problems.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _on_exception(self, error: WebError) -> None:
        self.problems.append(f"exception: {error.error}")

    def _on_request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme in {"http", "https", "ws", "wss"} and address.hostname not in {
            "127.0.0.1",
            "localhost",
        }:
            self.problems.append(f"request to another machine: {request.url}")


def find_chromium(*, whole: bool = False) -> str | None:
    """Path of a Chromium or Chrome: ``$CHROMIUM``, the ``PATH``, the Mac's usual place; else None.

    ``whole``: not the shell, which forgets things between two pages that a phone's browser keeps.
    """
    names = NAMES if whole else (*SHELLS, *NAMES)
    named = os.environ.get("CHROMIUM")
    found = named or next((path for name in names if (path := shutil.which(name))), None)
    return found or (str(MAC) if MAC.exists() else None)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Launch]:
    """``chromium(*extra_flags)`` starts a headless browser that ends with the module; ``whole=True`` not the shell.

    Without one on the machine the test is skipped with the reason; in CI it fails.
    """
    with sync_playwright() as playwright, ExitStack() as opened:

        def launch(*extra_flags: str, whole: bool = False) -> Browser:
            executable = find_chromium(whole=whole)
            if executable is None:
                reason = "no Chromium found (Debian: apt-get install chromium; or set CHROMIUM to its path)"
                if os.environ.get("CI") == "1":
                    pytest.fail(reason)
                pytest.skip(reason)
            started = playwright.chromium.launch(executable_path=executable, args=[*FLAGS, *extra_flags])
            opened.callback(started.close)
            return started

        yield launch


@pytest.fixture(scope="module")
def browser(chromium: Launch) -> Browser:
    """One browser for the module's tests; each gets a context of its own from ``page`` or ``phone_page``."""
    return chromium()


@pytest.fixture
def console() -> Iterator[Console]:
    """The complaints of all pages of this test; ask for it to ``expect`` one."""
    console = Console()
    yield console
    # This file is a helper: pytest does not spell its asserts out.
    assert console.unexpected() == [], "\n".join(console.unexpected())


def _open(browser: Browser, console: Console, options: dict[str, Any]) -> Iterator[Page]:
    context = browser.new_context(**options)
    context.set_default_timeout(10_000)
    console.watch(context)
    try:
        yield context.new_page()
    finally:
        context.close()


@pytest.fixture
def page(browser: Browser, console: Console) -> Iterator[Page]:
    """A fresh desktop page, 1280 px wide."""
    yield from _open(browser, console, DESKTOP)


@pytest.fixture
def phone_page(browser: Browser, console: Console) -> Iterator[Page]:
    """A fresh page on a small phone, 360 px wide, with touch."""
    yield from _open(browser, console, PHONE)


@pytest.fixture
def camera_page(chromium: Launch, console: Console, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """``camera_page(*texts)`` opens a phone page whose camera shows the texts' QR codes in turn, repeated.

    Each call starts a browser of its own, as the video is a start option; one code shows ``seconds_each``.
    """
    with ExitStack() as opened:

        def start(*texts: str, seconds_each: float = 1.0) -> Page:
            video = write_camera_video(
                tmp_path / f"camera-{id(texts)}.y4m", *texts, seconds_each=seconds_each
            )
            browser = chromium(*CAMERA, f"--use-file-for-fake-video-capture={video}")
            opened.callback(browser.close)
            context = browser.new_context(**PHONE, permissions=["camera"])
            context.set_default_timeout(10_000)
            console.watch(context)
            return context.new_page()

        yield start
