"""SMTP servers for tests: a real one that keeps what it gets, and one that breaks off where it is told to."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class Mailbox:
    """What a server took; ``refuse`` maps an address to the answer to its RCPT."""

    messages: list[EmailMessage] = field(default_factory=list)
    refuse: dict[str, str] = field(default_factory=dict)
    logins: list[str] = field(default_factory=list)
    connections: int = 0

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Session, _envelope: Envelope, hostname: str, answers: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.connections += 1
        return answers

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        made = message_from_bytes(content, policy=policy.default)
        assert isinstance(made, EmailMessage)
        self.messages.append(made)
        return f"250 taken as {len(self.messages)}"

    def login(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _kind: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(data.login.decode())
        right = data.password == b"right"
        return AuthResult(success=right, handled=right)


@contextmanager
def mail_server(box: Mailbox, tls: ssl.SSLContext | None = None, **options: Any) -> Iterator[int]:
    """A real SMTP server on this machine; yields its port."""

    if tls:
        options |= {"tls_context": tls, "require_starttls": True}
    controller = Controller(box, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def scripted_server(script: dict[str, str | None]) -> Iterator[int]:
    """A server that answers each command as told; ``None`` hangs up at once.

    Keys: ``connect``, first words of commands, ``body`` (a line of a mail), ``.`` (the final dot).
    """
    answers = {
        "connect": "220 hello",
        "EHLO": "250 here",
        "MAIL": "250 ok",
        "RCPT": "250 ok",
        "DATA": "354 go on",
        "body": "",
        ".": "250 taken",
        "RSET": "250 ok",
        "QUIT": "221 bye",
    } | script
    with socket.create_server(("127.0.0.1", 0)) as listening:
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                with suppress(OSError):
                    peer, _address = listening.accept()
                    with peer:
                        _converse(peer, answers)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield int(listening.getsockname()[1])
        finally:
            stop.set()
            with suppress(OSError), socket.create_connection(listening.getsockname(), 1):
                pass
            thread.join(5)


def _converse(peer: socket.socket, answers: dict[str, str | None]) -> None:
    lines = peer.makefile("rb")
    in_body = False
    if not _answer(peer, answers["connect"]):
        return
    for line in lines:
        word = line.decode("utf-8", "replace").split(None, 1)[0].upper() if line.strip() else ""
        if in_body:
            word = "." if line == b".\r\n" else "body"
        if not _answer(peer, answers.get(word, "500 what?")):
            return
        begins = word == "DATA" and str(answers["DATA"]).startswith("354")
        in_body = (in_body or begins) and word != "."


def _answer(peer: socket.socket, answer: str | None) -> bool:
    if answer is None:
        return False
    if answer:
        peer.sendall(answer.encode() + b"\r\n")
    return True
