"""The section «Обмен с CRM» of the settings page, for administrators only: what waits, what is held and why, trying it
again or leaving it, and what was asked of the portal lately."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from b24.call_log import Line
from b24.client import Client
from b24.store import calls, marks
from b24.store.calls import Wanted
from placements import viewing
from placements.session import PageSession, administering, page_api, problem
from smart_process import checkup, held_work, refusals
from smart_process.card_paths import card_path
from smart_process.language import Translator, day, translator, viewers_moment, viewers_zone
from smart_process.schema import Words
from smart_process.service import Service
from smart_process.store import colleagues, findings, overview, setups
from smart_process.store import settings_page as store

PAGE_NAME = "app"
LONGEST = 100
MAIL_KINDS = {
    "invitation": "Приглашения",
    "ticket": "Билеты",
    "materials": "Материалы",
    "missed": "Письма не пришедшим",
}
SHOWN_BELOW = ("held:", "twin:")
"""Findings of the check that the section tells in full further down."""
SHOWN = 50
"""Held objects and mails on the page; how many there are is said beside them."""


def blueprint(service: Service) -> Blueprint:
    """What the section's script asks for: ``/b24/api/settings/health/…``."""
    bp = Blueprint("health_section", __name__, url_prefix="/b24/api/settings/health")
    guard = page_api(service, PAGE_NAME)

    @bp.get("/work")
    @guard
    def work(session: PageSession) -> ResponseReturnValue:
        """What waits, and what waits for a person."""
        return jsonify(html=_work(service, session, administering(service, session)))

    @bp.post("/retry")
    @guard
    def retry(session: PageSession) -> ResponseReturnValue:
        """Try held work again: one object (``kind``, ``key``), or all of a kind held for a ``reason``."""
        viewer = administering(service, session)
        asked = _named()
        if not asked.get("reason") or not asked.get("kind"):
            return problem(400, "bad_request", "Запрос не читается.", session.language)
        with service.store.transaction() as tx:
            retried = marks.release(
                tx,
                session.portal_id,
                reason=asked["reason"],
                kind=asked["kind"],
                key=asked.get("key"),
                now=service.clock(),
            )
        service.wake(session.portal_id)
        _ = translator(session.language)
        return jsonify(text=_("Повторяем: %(n)s.", n=retried), html=_work(service, session, viewer))

    @bp.post("/give-up")
    @guard
    def give_up(session: PageSession) -> ResponseReturnValue:
        """Leave one held object undone; who did so is kept."""
        viewer = administering(service, session)
        asked = _named()
        if {"reason", "kind", "key"} - asked.keys():
            return problem(400, "bad_request", "Запрос не читается.", session.language)
        with service.store.transaction() as tx:
            done = held_work.give_up(
                tx, session.portal_id, user_id=session.user_id, now=service.clock(), **asked
            )
        _ = translator(session.language)
        text = _("Отказались. Это записано.") if done else _("Это больше не ждёт решения.")
        return jsonify(text=text, html=_work(service, session, viewer))

    @bp.get("/calls")
    @guard
    def found(session: PageSession) -> ResponseReturnValue:
        """A page of the log of calls; ``before`` of the answer is that of the next page, null at the end."""
        administering(service, session)
        try:
            wanted = _wanted(request.args, viewers_zone(session.zone))
        except ValueError:
            return problem(400, "bad_request", "Запрос не читается.", session.language)
        _ = translator(session.language)
        with service.store.reading() as tx:
            lines = calls.search(tx, session.portal_id, wanted)
        html = render_template(
            "settings/_calls.html",
            _=_,
            lines=[_shown(one, viewers_zone(session.zone), _) for _id, one in lines],
            further=wanted.before is not None,
        )
        before = lines[-1][0] if len(lines) == calls.PAGE else None
        return jsonify(html=html, before=before)

    return bp


def _named() -> dict[str, str]:
    """Reason, kind and key of held work in the request, as far as they are texts."""
    data = request.get_json(silent=True)
    values = data if isinstance(data, Mapping) else {}
    named = {name: values.get(name) for name in ("reason", "kind", "key")}
    return {name: one for name, one in named.items() if isinstance(one, str) and 0 < len(one) <= LONGEST}


# ------------------------------------------------------------------------ held work


def _work(service: Service, session: PageSession, viewer: Client) -> str:
    portal_id, now = session.portal_id, service.clock()
    _ = translator(session.language)
    with service.store.reading() as tx:
        binding = setups.read(tx, portal_id).bound
        groups = [
            (one, held_work.look_up(tx, portal_id, binding, reason=one.reason, kind=one.kind, limit=SHOWN))
            for one in overview.held(tx, portal_id)
        ]
        dropped = held_work.look_up(tx, portal_id, binding, reason=marks.DROPPED, limit=SHOWN)
        waiting, lag_s = marks.waiting(tx, portal_id), marks.lag_s(tx, portal_id, now=now)
        twins = findings.twins(tx, portal_id)
        possibly, mails = store.possibly_delivered(tx, portal_id, limit=SHOWN)
        names = {one: str(row["name"]) for one, row in colleagues.everybody(tx, portal_id).items()}
    kind = binding.event.entity_type_id
    readable = viewing.readable(viewer, kind, {one.event_item_id for one in mails if one.event_item_id})
    return render_template(
        "settings/_work.html",
        _=_,
        wrong=[
            one.words(_) for one in checkup.check(service, portal_id) if not one.key.startswith(SHOWN_BELOW)
        ],
        waiting=waiting,
        lag_s=round(lag_s),
        groups=[
            {
                "kind": one.kind,
                "reason": one.reason,
                "title": _words(held_work.kind_words(one.kind), _),
                "reason_words": _(held_work.REASONS.get(one.reason, one.reason)),
                "advice": _(held_work.ADVICE.get(one.reason, "")),
                "count": one.count,
                "rows": [_held(row, session.zone, _) for row in rows],
            }
            for one, rows in groups
        ],
        dropped=[
            {**_held(one, session.zone, _), "by": names.get(one.work.by or 0, f"№ {one.work.by}")}
            for one in dropped
        ],
        twins=[
            {
                "cards": [(one, card_path(twin.entity_type_id, one)) for one in twin.ids],
                "since": viewers_moment(twin.since, session.zone, _),
            }
            for twin in twins
        ],
        possibly=possibly,
        mails=[
            {
                "kind": _(MAIL_KINDS.get(one.kind, one.kind)),
                "when": viewers_moment(one.sent_at, session.zone, _) if one.sent_at else "",
                "item_id": one.item_id,
                "path": card_path(binding.participation.entity_type_id, one.item_id),
                "event": one.event_title,
                "event_path": card_path(kind, one.event_item_id) if one.event_item_id in readable else "",
            }
            for one in mails
        ],
    )


def _held(one: held_work.Shown, zone: str, _: Translator) -> dict[str, Any]:
    return {
        "kind": one.work.kind,
        "key": one.work.key,
        "reason": one.work.reason,
        "title": _words(held_work.kind_words(one.work.kind), _),
        "path": one.path,
        "item_id": one.item_id,
        "since": viewers_moment(one.work.at, zone, _) if one.work.at else "",
        "why": _words(held_work.why(one.work.reason, one.work.error), _),
        "error": refusals.plain(one.work.error),
    }


def _words(one: Words | str, _: Translator) -> str:
    return one.get(_.lang) if isinstance(one, Words) else one


# ------------------------------------------------------------------------ the log of calls


def _wanted(asked: Any, zone: ZoneInfo) -> Wanted:
    """What the form asks for, times in the viewer's zone.

    Raises:
        ValueError: it cannot be read.
    """
    texts = {name: str(asked.get(name, "")).strip() for name in ("text", "method", "error")}
    if any(len(one) > LONGEST or "\0" in one for one in texts.values()):
        raise ValueError("too long")
    before = str(asked.get("before", ""))
    if before and not (before.isascii() and before.isdigit() and len(before) < 16):
        raise ValueError("no number")
    return Wanted(
        **texts,
        failed=asked.get("failed") == "1",
        since=_moment(asked.get("since", ""), zone),
        until=_moment(asked.get("until", ""), zone),
        before=int(before) if before else None,
    )


def _moment(text: str, zone: ZoneInfo) -> datetime | None:
    """What a date and time field holds, in the zone the page names beside it."""
    if not text:
        return None
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


def _shown(line: Line, zone: ZoneInfo, _: Translator) -> dict[str, Any]:
    return {
        "day": day(line.at, zone, _),
        "second": f"{line.at.astimezone(zone):%H:%M:%S}",
        "method": line.method,
        "params": line.params,
        "status": line.status or "–",
        "error": line.error,
        "ms": line.ms,
    }
