"""The mailbox: a real SMTP conversation, then JSON."""

from __future__ import annotations

import base64
import smtplib
from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from b24.sandbox.server import Options, Sandbox
from tests.b24.sandbox.client import Rest


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Options(port=0, seed="empty", limits=False, smtp_port=0)) as running:
        yield running


def ticket_mail(to: str, subject: str, key: str = "x") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Организатор <events@example.test>"
    message["To"] = to
    message["Subject"] = subject
    message["Message-ID"] = f"<{key}@example.test>"
    message.set_content("Ваш билет: http://127.0.0.1/t/1")
    message.add_alternative("<p>Ваш <b>билет</b><img src=cid:qr></p>", subtype="html")
    html = message.get_payload()[1]  # type: ignore[index]
    html.add_related(b"\x89PNG", maintype="image", subtype="png", cid="<qr>")  # type: ignore[union-attr]
    message.add_attachment(b"BEGIN:VCALENDAR", maintype="text", subtype="calendar", filename="event.ics")
    return message


def send(sandbox: Sandbox, *messages: EmailMessage) -> None:
    assert sandbox.mail is not None
    with smtplib.SMTP(sandbox.mail.host, sandbox.mail.port, timeout=10) as smtp:
        for message in messages:
            smtp.send_message(message)


def test_a_received_message_is_listed_and_read(sandbox: Sandbox, rest: Rest) -> None:
    send(sandbox, ticket_mail("Анна <anna@example.test>", "Билет", "t1"))
    line = rest.control("mail.json", method="GET")[0]
    assert set(line) == {"id", "to", "from", "subject", "date", "message_id"}
    assert line["to"] == "anna@example.test"
    assert line["from"] == "Организатор <events@example.test>"
    assert line["subject"] == "Билет"
    assert line["message_id"] == "<t1@example.test>"
    full = rest.control(f"mail/{line['id']}.json", method="GET")
    assert full["text"].startswith("Ваш билет")
    assert "<b>билет</b>" in full["html"]
    named = {one["name"]: one for one in full["attachments"]}
    assert base64.b64decode(named["event.ics"]["content"]) == b"BEGIN:VCALENDAR"
    assert [one["cid"] for one in full["attachments"] if one["type"] == "image/png"] == ["qr"]


def test_the_newest_stands_first_and_the_list_can_be_narrowed(sandbox: Sandbox, rest: Rest) -> None:
    send(sandbox, ticket_mail("a@example.test", "one"), ticket_mail("b@example.test", "two"))
    listed = rest.http.get(f"{rest.url}/sandbox/mail.json").json()
    assert [one["subject"] for one in listed[:2]] == ["two", "one"]
    only = rest.http.get(f"{rest.url}/sandbox/mail.json", params={"to": "A@example.test"}).json()
    assert [one["subject"] for one in only] == ["one"]
    later = rest.http.get(f"{rest.url}/sandbox/mail.json", params={"after": listed[1]["id"]}).json()
    assert [one["subject"] for one in later] == ["two"]


@pytest.mark.parametrize("raw", [b"no headers at all", b"\xff\xfe\x00", b"Subject: =?utf-8?B?%%%?=\r\n\r\nx"])
def test_a_strange_message_is_kept_and_shown(sandbox: Sandbox, rest: Rest, raw: bytes) -> None:
    assert sandbox.mail is not None
    with smtplib.SMTP(sandbox.mail.host, sandbox.mail.port, timeout=10) as smtp:
        smtp.sendmail("x@example.test", ["odd@example.test"], raw)
    line = rest.http.get(f"{rest.url}/sandbox/mail.json", params={"to": "odd@example.test"}).json()[0]
    assert rest.control(f"mail/{line['id']}.json", method="GET")["id"] == line["id"]


def test_a_missing_message_is_404(rest: Rest) -> None:
    assert rest.http.get(f"{rest.url}/sandbox/mail/99999.json").status_code == 404
