"""A video for Chromium's fake camera: QR codes on a grey desk, as raw YUV4MPEG2, without any video tool."""

from __future__ import annotations

from pathlib import Path

import segno

WIDTH, HEIGHT, FRAMES_PER_SECOND = 640, 480, 10
DESK, PAPER, INK, NO_COLOUR = 0x60, 0xEB, 0x10, 0x80


TORN = "torn:"
"""Before a text: its code is shown with a corner torn off, so that nothing can read it."""


def write_camera_video(path: Path, *texts: str, seconds_each: float = 1.0) -> Path:
    """Write ``path`` showing each text's QR code for ``seconds_each``; Chromium repeats it for ever.

    No text at all gives an empty desk. One second weighs 4.6 MB.
    """
    header = f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FRAMES_PER_SECOND}:1 Ip A1:1 C420mpeg2\n".encode()
    colour = bytes([NO_COLOUR]) * (WIDTH * HEIGHT // 2)
    repeats = max(1, round(seconds_each * FRAMES_PER_SECOND))
    with path.open("wb") as video:
        video.write(header)
        for luma in [_frame(text) for text in texts] or [bytes([DESK]) * (WIDTH * HEIGHT)]:
            video.write((b"FRAME\n" + luma + colour) * repeats)
    return path


def _frame(text: str) -> bytes:
    """The brightness of one picture, row by row: the code in the middle, about two thirds of the height."""
    modules = [list(row) for row in segno.make(text.removeprefix(TORN), micro=False).matrix_iter(border=4)]
    if text.startswith(TORN):
        for line in modules[: len(modules) * 2 // 3]:
            line[: len(modules) * 2 // 3] = [0] * (len(modules) * 2 // 3)
    scale = max(2, HEIGHT * 2 // 3 // len(modules))
    size = len(modules) * scale
    left, top = (WIDTH - size) // 2, (HEIGHT - size) // 2
    empty = bytes([DESK]) * WIDTH
    rows = [empty] * HEIGHT
    for y, line in enumerate(modules):
        drawn = b"".join(bytes([INK if dark else PAPER]) * scale for dark in line)
        row = empty[:left] + drawn + empty[left + size :]
        rows[top + y * scale : top + (y + 1) * scale] = [row] * scale
    return b"".join(rows)
