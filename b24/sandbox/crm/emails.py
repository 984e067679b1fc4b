"""Mails the CRM sends: an outgoing, completed activity of type e-mail leaves as it is added.

Source: tutorials/crm/how-to-add-crm-objects/how-to-send-email, crm/timeline/activities/activity-base/crm-activity-add.
"""

from __future__ import annotations

import html
import re
import sqlite3
from collections.abc import Mapping, Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from mimetypes import guess_type
from typing import Any

from b24.sandbox import mail
from b24.sandbox.crm.params import text
from b24.sandbox.kernel import RestError, tables

tables(
    """
    CREATE TABLE IF NOT EXISTS crm_mailbox (user_id INTEGER PRIMARY KEY, email TEXT NOT NULL);
    """
)

EMAIL, OUTGOING = 4, 2
PLAIN, BB_CODES, HTML = 1, 2, 3
"""``crm_enum_contenttype`` (crm/data-types; the tutorial swaps the last two)."""
SHARED = 0
_ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+(\.[\w-]+)+", re.ASCII)


def connect(db: sqlite3.Connection, user_id: int, email: str) -> None:
    """Connect a mailbox to the CRM: an employee's, or the one of the whole CRM (``SHARED``); "" takes it away."""
    db.execute("DELETE FROM crm_mailbox WHERE user_id = ?", (user_id,))
    if email:
        db.execute("INSERT INTO crm_mailbox (user_id, email) VALUES (?, ?)", (user_id, email))


def leaves(values: Mapping[str, Any]) -> bool:
    """Whether an activity with these columns is sent as it is added: all three together, else it is only planned."""
    given = (values.get("type_id"), values.get("direction"), values.get("completed"))
    return given == (EMAIL, OUTGOING, "Y")


def message_id(portal: Any, activity_id: int) -> str:
    """The Message-ID of the mail behind an activity."""
    return f"<crm.activity.{activity_id}@{portal.host.partition(':')[0]}>"


def send(
    portal: Any,
    activity_id: int,
    values: Mapping[str, Any],
    settings: Mapping[str, Any],
    channels: Sequence[Mapping[str, Any]],
    files: Sequence[tuple[str, bytes]],
) -> None:
    """Send the mail of an activity that was just written; it lands in the mailbox of the sandbox.

    Raises:
        RestError: it did not leave; the activity stays, as the tutorial says.
    """
    sender, said = _sender(portal.db, values, text(settings.get("MESSAGE_FROM")).strip())
    recipients = [text(one.get("VALUE")).strip().lower() for one in channels]
    if not sender:
        raise _failed('"From" is not found')
    if not _ADDRESS.fullmatch(_address(sender)) or not all(map(_ADDRESS.fullmatch, recipients)):
        raise _failed("Invalid email is specified")
    raw = _message(portal, activity_id, sender, recipients, values, files)
    mail.receive(portal, recipients, raw)
    if said and text(settings.get("DISABLE_SENDING_MESSAGE_COPY")) != "Y":
        mail.receive(portal, [_address(sender)], raw)


def _failed(why: str) -> RestError:
    return RestError("", f"Email send error. {why}", keeps=True)


def _sender(db: sqlite3.Connection, values: Mapping[str, Any], said: str) -> tuple[str, bool]:
    """Who the mail is from, and whether the caller said so: else the responsible's mailbox, else the shared one."""
    if said:
        return said, True
    rows = db.execute(
        "SELECT email FROM crm_mailbox WHERE user_id IN (?, ?) ORDER BY user_id DESC",
        (values.get("responsible_id"), SHARED),
    ).fetchall()
    return (rows[0]["email"] if rows else ""), False


def _address(sender: str) -> str:
    found = re.search(r"<(.*?)>", sender)
    return (found[1] if found else sender).strip().lower()


def _message(
    portal: Any,
    activity_id: int,
    sender: str,
    recipients: Sequence[str],
    values: Mapping[str, Any],
    files: Sequence[tuple[str, bytes]],
) -> bytes:
    message = EmailMessage(policy=SMTP)
    name = sender.partition("<")[0].strip().strip('"') if "<" in sender else ""
    message["From"] = Address(_line(name), addr_spec=_address(sender))
    message["To"] = ", ".join(recipients)
    message["Subject"] = _line(text(values.get("subject")))
    message["Date"] = format_datetime(portal.now())
    message["Message-ID"] = message_id(portal, activity_id)
    message.set_content(
        _body(_readable(text(values.get("description"))), values.get("description_type")), subtype="html"
    )
    for file_name, content in files:
        main, _, sub = (guess_type(file_name)[0] or "application/octet-stream").partition("/")
        message.add_attachment(content, maintype=main, subtype=sub, filename=_line(file_name))
    return message.as_bytes()


def _readable(anything: str) -> str:
    """Text without half characters, which no mail can carry."""
    return anything.encode("utf-8", "replace").decode()


def _line(anything: str) -> str:
    return " ".join(_readable(anything).split())


def _body(description: str, kind: Any) -> str:
    if kind == HTML:
        return description
    escaped = html.escape(description).replace("\n", "<br>")
    if kind == BB_CODES:
        escaped = re.sub(r"\[(/?[bius])\]", r"<\1>", escaped, flags=re.IGNORECASE)
        escaped = re.sub(
            r"\[url=([^\]]+)\](.*?)\[/url\]", r'<a href="\1">\2</a>', escaped, flags=re.IGNORECASE
        )
    return escaped
