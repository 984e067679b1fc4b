"""The mailbox of the portal's SMTP server: messages, each with its pictures and attachments."""

from __future__ import annotations

import base64
import html
import re
from typing import Any

from flask import abort, make_response, render_template, request
from werkzeug.wrappers import Response

from b24.sandbox import mail
from b24.sandbox.ui.desk import portal
from b24.sandbox.ui.site import bp

PAGE = 50
BODY_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)


@bp.get("/sandbox/mail")
@bp.get("/sandbox/mail/")
def mailbox() -> str:
    """Messages, newest first; ``?q=`` looks into recipients and subjects."""
    wanted = request.args.get("q", "").strip().casefold()
    rows = [
        row
        for row in mail.listing(portal())
        if not wanted or wanted in f"{row['to']} {row['subject']}".casefold()
    ]
    start = max(0, request.args.get("start", 0, int)) // PAGE * PAGE
    return render_template(
        "mailbox.html", rows=rows[start : start + PAGE], total=len(rows), start=start, page=PAGE
    )


def read_letter(number: int) -> dict[str, Any]:
    """The message; 404 for an unknown number."""
    found = mail.read(portal(), number)
    if found is None:
        abort(404, "Такого письма нет.")
    return found


@bp.get("/sandbox/mail/<int:number>")
@bp.get("/sandbox/mail/<int:number>/")
def letter(number: int) -> str:
    """One message; its HTML stands in a frame that may run and load nothing."""
    found = read_letter(number)
    return render_template("letter.html", letter=found, title=found["subject"] or "Без темы")


@bp.get("/sandbox/mail/<int:number>/body")
def letter_body(number: int) -> Response:
    """The HTML of a message with its inline pictures; links open in a new tab."""
    found = read_letter(number)
    text = found["html"] or f"<pre>{html.escape(found['text'])}</pre>"
    answer = make_response('<base target="_blank">' + inline_pictures(text, found["attachments"]))
    answer.headers["Content-Security-Policy"] = BODY_POLICY
    return answer


def inline_pictures(text: str, attachments: list[dict[str, str]]) -> str:
    """``cid:`` addresses replaced by the pictures themselves."""
    pictures = {
        one["cid"]: f"data:{one['type']};base64,{one['content']}"
        for one in attachments
        if one["cid"] and one["type"].startswith("image/")
    }
    return re.sub(r"cid:([^\"'\s)>]+)", lambda found: pictures.get(found[1], found[0]), text)


@bp.get("/sandbox/mail/<int:number>/attachment/<int:index>")
def attachment(number: int, index: int) -> Response:
    """An attachment as a download."""
    found = read_letter(number)["attachments"]
    if index >= len(found):
        abort(404, "Такого вложения нет.")
    answer = make_response(base64.b64decode(found[index]["content"]))
    answer.headers.set("Content-Type", found[index]["type"])
    answer.headers.set("Content-Disposition", "attachment", filename=found[index]["name"] or "attachment")
    return answer
