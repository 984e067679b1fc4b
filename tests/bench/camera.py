"""The scanner in a browser: from the picture of the camera to the verdict on the screen."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from tests.bench.door import Prepared
from tests.bench.figures import Figure
from tests.bench.served import Told, running
from tests.chromium import CAMERA, FLAGS, PHONE, find_chromium
from tests.eventually import eventually
from tests.fake_camera import write_camera_video

CODES = 8
SECONDS_EACH = 0.4
ENROLLED = """([token, device]) => {
  localStorage.setItem("device_token", token);
  localStorage.setItem("device", JSON.stringify(device));
}"""
# One figure per verdict that counts: the page writes how long it took beside it.
WATCH = """() => {
  window.took = [];
  new MutationObserver(() => {
    const { tookMs, verdict } = document.getElementById("verdict").dataset;
    if (tookMs && verdict) window.took.push(Number(tookMs));
  }).observe(document, { subtree: true, attributeFilter: ["data-took-ms"] });
}"""


def measure(ready: Prepared) -> list[Figure]:
    """With network (the app is asked first) and without (the phone decides by its pack)."""
    executable = find_chromium(whole=True)
    assert executable, "no Chromium on this machine"
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Told("app", ready.config)) as app,
        sync_playwright() as playwright,
    ):
        video = write_camera_video(
            Path(folder) / "codes.y4m", *ready.tickets[:CODES], seconds_each=SECONDS_EACH
        )
        flags = [*FLAGS, *CAMERA, f"--use-file-for-fake-video-capture={video}"]
        browser = playwright.chromium.launch(executable_path=executable, args=flags)
        context = browser.new_context(**PHONE, permissions=["camera"])
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{app.port}/scan/")
        page.evaluate(ENROLLED, [ready.token, _device(page, ready.token)])
        page.add_init_script(f"({WATCH})()")
        page.reload()
        online = _verdicts(page)
        eventually(
            lambda: page.locator("#queue").get_attribute("data-list") == str(len(ready.tickets)), within=60
        )
        context.set_offline(True)
        page.evaluate("window.took.length = 0")
        offline = _verdicts(page)
        browser.close()
    guests = len(ready.tickets)
    return [
        _figure(f"camera to verdict, {guests} guests, with network", online),
        _figure(f"camera to verdict, {guests} guests, without network", offline),
    ]


def _device(page: Page, token: str) -> Any:
    ask = "(token) => fetch('/api/v1/device', { headers: { Authorization: `Bearer ${token}` } }).then((r) => r.json())"
    return page.evaluate(ask, token)


def _verdicts(page: Page) -> list[float]:
    eventually(lambda: page.evaluate("window.took.length") >= CODES, within=60)
    return sorted(json.loads(page.evaluate("JSON.stringify(window.took)")))


def _figure(what: str, took: list[float]) -> Figure:
    middle = took[len(took) // 2]
    return Figure(f"{what}: median", middle, "ms", note=f"{len(took)} codes, the slowest {took[-1]:.0f} ms")
