"""The mailbox of the demo: a real SMTP server on loopback; messages are kept in the state, shown as JSON."""

from __future__ import annotations

import base64
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import getaddresses
from typing import TYPE_CHECKING, Any

from b24.sandbox.kernel import tables

if TYPE_CHECKING:
    from aiosmtpd.controller import Controller

    from b24.sandbox.portal import LocalPortal

SIZE_LIMIT = 20 * 1024 * 1024

tables(
    """
    CREATE TABLE IF NOT EXISTS mail (
        id INTEGER PRIMARY KEY AUTOINCREMENT, recipient TEXT NOT NULL, sender TEXT NOT NULL,
        subject TEXT NOT NULL,
        date TEXT NOT NULL, message_id TEXT NOT NULL, raw BLOB NOT NULL);
    CREATE INDEX IF NOT EXISTS mail_by_message ON mail (message_id);
    """
)


class _Inbox:
    """What aiosmtpd calls with a received message; it is on disk before ``250`` is said."""

    def __init__(self, portal: LocalPortal) -> None:
        self._portal = portal

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        receive(self._portal, list(envelope.rcpt_tos), bytes(envelope.content))
        return "250 OK: stored"


class MailServer:
    """The SMTP server; ``port`` is known after :meth:`start`."""

    def __init__(self, portal: LocalPortal, port: int = 0) -> None:
        self._portal = portal
        self.host = "127.0.0.1"
        self.port = port
        self._controller: Controller | None = None

    def start(self) -> None:
        """Listen on loopback; port 0 takes a free one.

        Raises:
            OSError: the port is taken.
        """
        from aiosmtpd.controller import Controller

        controller = Controller(
            _Inbox(self._portal),
            hostname=self.host,
            port=self.port or free_port(),
            data_size_limit=SIZE_LIMIT,
            ready_timeout=10,
        )
        try:
            controller.start()
        except BaseException:
            # The port is taken, or the server was not ready in time: its loop is ours to close.
            controller.loop.close()
            raise
        self.port = controller.port
        self._controller = controller

    def stop(self) -> None:
        """Close the port; messages already accepted stay in the state."""
        if self._controller is not None:
            self._controller.stop()
            self._controller = None


def free_port() -> int:
    """A port nobody listens on at this moment."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _parse(raw: bytes) -> EmailMessage:
    return message_from_bytes(raw, policy=policy.default)


def _header(message: EmailMessage, name: str) -> str:
    try:
        return str(message.get(name) or "")
    except (ValueError, LookupError):
        return ""


def receive(portal: LocalPortal, recipients: list[str], raw: bytes) -> int:
    """Store a message as it came over the wire; returns its number in the mailbox."""
    message = _parse(raw)
    with portal.transaction() as db:
        cursor = db.execute(
            "INSERT INTO mail (recipient, sender, subject, date, message_id, raw) VALUES (?, ?, ?, ?, ?, ?)",
            (", ".join(recipients), _header(message, "From"), _header(message, "Subject"),
            portal.now().isoformat(),
             _header(message, "Message-ID").strip(), raw),
        )  # fmt: skip
    return int(cursor.lastrowid or 0)


def listing(portal: LocalPortal, *, to: str | None = None, after: int = 0) -> list[dict[str, Any]]:
    """Messages newest first: id, to, from, subject, date, message_id; ``to`` narrows to one address."""
    with portal.transaction() as db:
        rows = db.execute(
            "SELECT id, recipient, sender, subject, date, message_id FROM mail WHERE id > ? ORDER BY id DESC",
            (after,),
        ).fetchall()
    wanted = (to or "").strip().lower()
    return [_line(row) for row in rows if not wanted or wanted in _addresses(row["recipient"])]


def numbers_of(portal: LocalPortal, message_id: str) -> list[int]:
    """The numbers of the messages with a Message-ID: one mail may have come to several addresses."""
    with portal.transaction() as db:
        rows = db.execute("SELECT id FROM mail WHERE message_id = ? ORDER BY id", (message_id,))
        return [int(row["id"]) for row in rows]


def _addresses(text: str) -> list[str]:
    return [address.lower() for _, address in getaddresses([text])]


def _line(row: Any) -> dict[str, Any]:
    return {
        "id": row["id"], "to": row["recipient"], "from": row["sender"], "subject": row["subject"],
        "date": row["date"], "message_id": row["message_id"],
    }  # fmt: skip


def read(portal: LocalPortal, number: int) -> dict[str, Any] | None:
    """One message with its text, HTML and attachments (``name``, ``type``, ``cid``, base64 ``content``)."""
    with portal.transaction() as db:
        row = db.execute("SELECT * FROM mail WHERE id = ?", (number,)).fetchone()
    if row is None:
        return None
    message = _parse(row["raw"])
    return _line(row) | {
        "text": _body(message, "plain"),
        "html": _body(message, "html"),
        "headers": {name: _header(message, name) for name in message},
        "attachments": [_attachment(part) for part in message.walk() if _is_attachment(part)],
    }


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    if part is None:
        return ""
    try:
        return str(part.get_content())
    except (LookupError, ValueError, KeyError):
        return ""


def _is_attachment(part: Any) -> bool:
    if part.is_multipart():
        return False
    return bool(part.get_filename() or part.get("Content-ID")) or part.get_content_maintype() != "text"


def _attachment(part: Any) -> dict[str, str]:
    return {
        "name": part.get_filename() or "",
        "type": part.get_content_type(),
        "cid": str(part.get("Content-ID") or "").strip("<> "),
        "content": base64.b64encode(part.get_payload(decode=True) or b"").decode(),
    }
