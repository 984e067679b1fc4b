"""The portal's web server: what an answer came from is closed, whatever becomes of the browser."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from b24.sandbox.server import listen


class Page:
    """An answer that ends when its browser is gone, and knows whether it was closed."""

    def __init__(self) -> None:
        self.asked, self.left, self.closed = threading.Event(), threading.Event(), threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "8")])
        return self

    def __iter__(self) -> Iterator[bytes]:
        yield b"half of "
        self.asked.set()
        self.left.wait(10)

    def close(self) -> None:
        self.closed.set()


def test_an_answer_is_closed_although_its_browser_went_away() -> None:
    page = Page()
    server = listen(0, page)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        with socket.create_connection(("127.0.0.1", server.port)) as browser:
            # Leaving resets the connection at once instead of ending it.
            browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            browser.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert page.asked.wait(10)
        page.left.set()
        assert page.closed.wait(10)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
