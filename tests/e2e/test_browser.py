"""The tools of the browser tests: the fake camera is readable, complaints of a page are not lost."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Page, expect

from tests.chromium import Console

pytestmark = pytest.mark.e2e
VENDOR = Path(__file__).parents[2] / "placements" / "static" / "vendor"

SCANNER = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<video muted playsinline></video>
<script src="zxing_reader.js"></script><script>
ZXingWASM.prepareZXingModule({overrides: {locateFile: (path) => path}});
const video = document.querySelector("video"), canvas = document.createElement("canvas");
const seen = new Set();
async function look() {
  canvas.width = video.videoWidth; canvas.height = video.videoHeight;
  const pen = canvas.getContext("2d", {willReadFrequently: true});
  pen.drawImage(video, 0, 0);
  const picture = pen.getImageData(0, 0, canvas.width, canvas.height);
  for (const code of await ZXingWASM.readBarcodes(picture, {formats: ["QRCode"]})) seen.add(code.text);
  document.body.dataset.seen = [...seen].sort().join(" ");
  requestAnimationFrame(look);
}
navigator.mediaDevices.getUserMedia({video: true}).then(async (stream) => {
  video.srcObject = stream; await video.play(); look();
});
</script>"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: requests of a test are no news."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """``site(html)`` serves the page beside the vendored files and answers its address."""
    for file in VENDOR.iterdir():
        (tmp_path / file.name).symlink_to(file)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path)))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()

    def serve(html: str) -> str:
        (tmp_path / "page.html").write_text(html, encoding="utf-8")
        return f"http://127.0.0.1:{server.server_address[1]}/page.html"

    yield serve
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_decoder_reads_every_code_the_fake_camera_shows(
    site: Callable[[str], str], camera_page: Callable[..., Page]
) -> None:
    page = camera_page("http://127.0.0.1/t/first", "http://127.0.0.1/t/second", seconds_each=0.5)
    page.goto(site(SCANNER))
    expect(page.locator("body")).to_have_attribute(
        "data-seen", "http://127.0.0.1/t/first http://127.0.0.1/t/second", timeout=20_000
    )


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("console.error('broken')", "broken"),
        ("setTimeout(() => { throw new Error('thrown') })", "thrown"),
        ("fetch('/nothing-here')", "404"),
        ("new Image().src = 'http://elsewhere.example/a.png'", "request to another machine"),
    ],
)
def test_a_complaint_of_a_page_is_kept_and_can_be_expected(
    site: Callable[[str], str], page: Page, console: Console, script: str, complaint: str
) -> None:
    page.goto(site(f'<link rel="icon" href="data:,"><script>{script}</script>'))
    page.wait_for_load_state("networkidle")
    assert any(complaint in text for text in console.unexpected())
    console.expect("")
    assert console.unexpected() == []


def test_the_frame_library_loads_and_says_plainly_that_it_is_outside_a_portal(
    site: Callable[[str], str], page: Page
) -> None:
    page.goto(
        site(
            '<link rel="icon" href="data:,"><body><script src="b24jssdk.min.js"></script><script>'
            "B24Js.initializeB24Frame().catch((error) => { document.body.dataset.error = String(error) })"
            "</script>"
        )
    )
    expect(page.locator("body")).to_have_attribute("data-error", re.compile("JSSDK_CLIENT_SIDE_WARNING"))
