"""The scanner's camera: every verdict without a tap, torch and lenses, a frozen camera, sound and vibration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from smart_process.facts import Kind
from tests.chromium import CAMERA, PHONE, Console, Launch
from tests.door import Door, add_event, add_guest, serving_today
from tests.e2e.phone import arrivals, enrol, expect_verdict, type_code
from tests.eventually import eventually
from tests.fake_camera import TORN

pytestmark = pytest.mark.e2e

# What somebody at the door saw, heard and felt, in this order.
WATCH = """() => {
  window.seen = [];
  window.shaken = [];
  window.tones = [];
  Navigator.prototype.vibrate = (pattern) => window.shaken.push(pattern) > 0;
  const start = OscillatorNode.prototype.start;
  OscillatorNode.prototype.start = function (at) {
    window.tones.push(Math.round(this.frequency.value));
    return start.call(this, at);
  };
  new MutationObserver((all) => {
    const shown = all.map(({ target }) => target).filter((one) => one.id === "verdict");
    window.seen.push(...shown.map((one) => one.dataset.verdict).filter(Boolean));
  }).observe(document, { subtree: true, attributeFilter: ["data-verdict"] });
}"""
# A phone with a torch and two lenses; what was asked of the torch.
PHONE_CAMERA = """() => {
  window.asked = [];
  const known = MediaStreamTrack.prototype.getCapabilities;
  MediaStreamTrack.prototype.getCapabilities = function () { return { ...known.call(this), torch: true }; };
  MediaStreamTrack.prototype.applyConstraints = async (told) => { window.asked.push(told.advanced[0].torch); };
}"""


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with serving_today(tmp_path) as door:
        yield door


@pytest.fixture
def lenses(chromium: Launch, console: Console) -> Iterator[Page]:
    """A page with two cameras that show nothing of interest."""
    two = f"{CAMERA[1]}=device-count=2"
    # The shell gives every page other ids of the same cameras.
    context = chromium(CAMERA[0], two, whole=True).new_context(**PHONE, permissions=["camera"])
    context.set_default_timeout(10_000)
    console.watch(context)
    yield context.new_page()
    context.close()


def watched(page: Page) -> Page:
    page.add_init_script(f"({WATCH})()")
    return page


def seen(page: Page, what: str = "seen") -> list[Any]:
    return list(page.evaluate(f"window.{what}"))


def test_every_verdict_comes_without_a_tap(door: Door, camera_page: Callable[..., Page]) -> None:
    guest, cancelled = door.guest(), door.guest("Сидоров")
    door.record(cancelled, Kind.CANCELLED)
    other = add_guest(door.store, door.portal_id, add_event(door.store, door.portal_id))
    codes = [f"https://app.example/t/{guest.ticket}", cancelled.ticket, other.ticket, "WIFI:S:hall;;"]
    page = watched(camera_page(*codes, TORN + guest.ticket, seconds_each=0.8))
    enrol(page, door)
    wanted = {"admitted", "cancelled", "wrong_event", "unknown", "already_admitted"}
    eventually(lambda: wanted <= set(seen(page)))
    assert set(seen(page)) <= wanted | {"checking"}
    assert (arrivals(door, guest), arrivals(door, cancelled)) == (1, 0)


def test_the_organisers_code_before_the_camera_opens_the_enrolment(
    door: Door, camera_page: Callable[..., Page]
) -> None:
    page = camera_page(f"{door.url}/scan/{door.code()}")
    page.goto(f"{door.url}/scan/")
    page.get_by_role("button", name="Показать камере QR организатора").click()
    expect(page.get_by_label("Как назвать этот телефон?")).to_be_visible()


def test_a_verdict_is_heard_and_felt_and_a_refusal_differently(door: Door, phone_page: Page) -> None:
    guest = door.guest()
    page = watched(phone_page)
    enrol(page, door)
    for code, verdict in ((guest.ticket, "admitted"), (guest.ticket, "already_admitted"), ("x", "unknown")):
        type_code(page, code)
        expect_verdict(page, verdict)
    assert seen(page, "shaken") == [[60], [120, 60, 120], [250, 80, 250]]
    assert seen(page, "tones") == [880, 1320, 660, 330, 220, 220, 180]


def test_torch_and_the_other_lens(door: Door, lenses: Page) -> None:
    lenses.add_init_script(f"({PHONE_CAMERA})()")
    enrol(lenses, door)
    torch = lenses.get_by_role("button", name="Фонарик")
    torch.click()
    expect(torch).to_have_attribute("aria-pressed", "true")
    torch.click()
    assert seen(lenses, "asked") == [True, False]
    used = "document.getElementById('video').srcObject.getVideoTracks()[0].getSettings().deviceId"
    first = lenses.evaluate(used)
    lenses.get_by_role("button", name="Другая камера").click()
    eventually(
        lambda: lenses.evaluate(f"document.body.dataset.camera === 'running' && {used}") not in (False, first)
    )
    second = lenses.evaluate(used)
    # Kept for the next time.
    lenses.reload()
    expect(lenses.locator("body")).to_have_attribute("data-camera", "running")
    assert lenses.evaluate(used) == second


def test_a_camera_that_froze_or_was_taken_away_is_started_again(door: Door, lenses: Page) -> None:
    enrol(lenses, door)
    expect(lenses.locator("body")).to_have_attribute("data-camera", "running")
    stream = "document.getElementById('video').srcObject.id"
    first = lenses.evaluate(stream)
    # No new picture, and five seconds later by the page's watch.
    lenses.evaluate(
        """() => {
          const real = performance.now.bind(performance);
          document.getElementById("video").pause();
          performance.now = () => real() + 5000;
        }"""
    )
    eventually(
        lambda: (
            lenses.evaluate(f"document.body.dataset.camera === 'running' && {stream}") not in (False, first)
        )
    )
    second = lenses.evaluate(stream)
    # Back from the background, where the phone took the camera away.
    lenses.evaluate(
        """() => {
          document.getElementById("video").srcObject.getTracks().forEach((track) => track.stop());
          document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    eventually(
        lambda: (
            lenses.evaluate(f"document.body.dataset.camera === 'running' && {stream}") not in (False, second)
        )
    )


def test_without_leave_for_the_camera_the_rest_works_and_it_can_be_asked_again(
    door: Door, lenses: Page
) -> None:
    guest = door.guest()
    lenses.add_init_script(
        """navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("no", "NotAllowedError"); };"""
    )
    enrol(lenses, door)
    expect(lenses.locator("#aim")).to_contain_text("Нет доступа к камере")
    type_code(lenses, guest.ticket)
    expect_verdict(lenses, "admitted")
    lenses.evaluate("delete navigator.mediaDevices.getUserMedia")
    lenses.locator("#verdict").click()
    lenses.get_by_role("button", name="Включить камеру").click()
    expect(lenses.locator("body")).to_have_attribute("data-camera", "running")
