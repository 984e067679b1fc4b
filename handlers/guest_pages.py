"""What the guests' pages have in common: their language and how a page is made."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import Response, jsonify, render_template, request

from smart_process.language import LANGUAGES, Translator, choose, period, translator
from smart_process.store.events import Event


def guest_language(default: str = "ru") -> Translator:
    """What the link asks for, else the browser's language, else the portal's."""
    accepted = [tag for tag, _quality in request.accept_languages]
    return translator(choose(request.args.get("lang"), accepted, default))


def page(
    template: str, _: Translator, status: int = 200, *, event: Event | None = None, **values: Any
) -> Response:
    """A page for a guest in their language, with the event's time and links to the other languages."""
    when = period(event.starts_at, event.ends_at, event.zone, _) if event else ""
    # Not after a post: following such a link would lose what was typed.
    offered = LANGUAGES if request.method != "POST" else ()
    others = [(lang, _address_in(lang)) for lang in offered if lang != _.lang]
    body = render_template(
        f"guest/{template}",
        _=_,
        lang=_.lang,
        event=event,
        when=when,
        other_languages=others,
        **values,
    )
    reply = Response(body, status=status, mimetype="text/html")
    reply.headers["Content-Language"] = _.lang
    reply.headers["Vary"] = "Accept, Accept-Language"
    return reply


def wants_json() -> bool:
    """A program asks, not a browser: its ``Accept`` prefers JSON to a page."""
    return request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"


def answer(status: int, **values: Any) -> Response:
    """The same answer for a program."""
    reply = jsonify(values)
    reply.status_code = status
    return reply


def _address_in(lang: str) -> str:
    kept = {key: value for key, value in request.args.items() if key == "i"}
    return f"{request.path}?{urlencode({**kept, 'lang': lang})}"
