"""The page «Настройки» of administrators: sections that are read, changed and saved one by one.

Whoever saves must be an administrator by the portal's own answer of that moment. A section carries a revision: what
was changed by somebody else meanwhile is not overwritten, they are told. Secrets never come back to the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from flask import Blueprint, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from placements.registry import Opened
from placements.session import Forbidden, PageSession, administering, page_api, problem
from placements.settings_sections import SECTIONS, Desk, Section, sentences
from smart_process import language, portal_choices, rule_table, trial_mail
from smart_process.card_paths import robots_path
from smart_process.language import Translator, translator
from smart_process.people import email_of
from smart_process.rule_table import WrongTable
from smart_process.schema import DEAL
from smart_process.service import Service
from smart_process.settings import Change, Settings
from smart_process.settings_forms import Wrong
from smart_process.store import colleagues, setups

PAGE_NAME = "app"
LONGEST_SEARCH = 100


def page(service: Service, opened: Opened) -> ResponseReturnValue:
    """The page with its sections closed; their contents are read when they are opened.

    Raises:
        Forbidden: the viewer is no administrator.
    """
    if not opened.session.is_admin:
        raise Forbidden("Настройки видит администратор портала.", "not_admin")
    _ = opened.translate
    with service.store.reading() as tx:
        settings = setups.read(tx, opened.session.portal_id).settings
        names = _names(service, opened.session)
    return render_template(
        "settings/page.html",
        _=_,
        language=opened.session.language,
        token=opened.token,
        origin=opened.origin,
        sections=[
            {
                "key": one.key,
                "title": _(one.title),
                "does": _(one.does),
                "changed": _changed(settings.changes.get(one.key), names, opened.session.zone, _),
            }
            for one in SECTIONS.values()
        ],
        zone=language.zone_name(service.clock(), language.viewers_zone(opened.session.zone), _),
    )


def blueprint(service: Service) -> Blueprint:
    """What the page's script asks for: ``/b24/api/settings/…``."""
    bp = Blueprint("settings_page", __name__, url_prefix="/b24/api/settings")
    guard = page_api(service, PAGE_NAME)

    @bp.get("/sections/<key>")
    @guard
    def shown(session: PageSession, key: str) -> ResponseReturnValue:
        return jsonify(_shown(service, session, _desk(service, session), _section(key)))

    @bp.post("/sections/<key>")
    @guard
    def saved(session: PageSession, key: str) -> ResponseReturnValue:
        return _saved(service, session, _section(key))

    @bp.get("/stages")
    @guard
    def stages(session: PageSession) -> ResponseReturnValue:
        """Stages of another funnel, before it is saved."""
        client = administering(service, session)
        category = request.args.get("category", "")
        if not category.isascii() or not category.isdigit() or len(category) > 9:
            return problem(400, "bad_request", "Запрос не читается.", session.language)
        found = portal_choices.stages(client, int(category))
        return jsonify(
            stages=[{"value": value, "title": title} for value, title in found],
            robots=robots_path(DEAL, int(category)),
        )

    @bp.get("/colleagues")
    @guard
    def people(session: PageSession) -> ResponseReturnValue:
        client, find = administering(service, session), request.args.get("find", "").strip()
        if not 2 <= len(find) <= LONGEST_SEARCH:
            return problem(400, "too_short", "Наберите хотя бы две буквы имени.", session.language)
        return jsonify(colleagues=[asdict(one) for one in portal_choices.colleagues(client, find)])

    @bp.post("/rules/preview")
    @guard
    def preview(session: PageSession) -> ResponseReturnValue:
        return _preview(service, session)

    @bp.post("/sender/test")
    @guard
    def test_mail(session: PageSession) -> ResponseReturnValue:
        return _test_mail(service, session)

    return bp


def _section(key: str) -> Section:
    if key not in SECTIONS:
        raise Forbidden("Такого раздела настроек нет.", "no_section")
    return SECTIONS[key]


def _desk(service: Service, session: PageSession) -> Desk:
    client = administering(service, session)
    with service.store.reading() as tx:
        setup = setups.read(tx, session.portal_id)
    return Desk(service, session, client, setup)


def _body() -> Mapping[str, Any]:
    data = request.get_json(silent=True)
    return data if isinstance(data, Mapping) else {}


def _shown(service: Service, session: PageSession, desk: Desk, section: Section) -> dict[str, Any]:
    _ = translator(session.language)
    change = desk.settings.changes.get(section.key)
    html = render_template(f"settings/_{section.key}.html", _=_, **section.show(desk, _))
    return {
        "html": html,
        "revision": (change or Change()).revision,
        "changed": _changed(change, _names(service, session), session.zone, _),
    }


def _saved(service: Service, session: PageSession, section: Section) -> ResponseReturnValue:
    desk, data = _desk(service, session), _body()
    values = data.get("values")
    try:
        change_of = section.parse(desk, values if isinstance(values, Mapping) else {})
        with service.store.transaction() as tx:
            before = setups.read(tx, session.portal_id, lock=True).settings
            last = before.changes.get(section.key, Change())
            if data.get("revision") != last.revision:
                return _stale(service, session, last)
            after = _after(before, section, change_of(before), session, service.clock(), last.revision)
            setups.write_settings(tx, session.portal_id, after, now=service.clock())
            section.saved(tx, desk, after, service.clock())
    except Wrong as wrong:
        return _refused(wrong.errors, session)
    service.wake(session.portal_id)
    with service.store.reading() as tx:
        setup = setups.read(tx, session.portal_id)
    return jsonify(_shown(service, session, replace(desk, setup=setup), section))


def _after(
    before: Settings, section: Section, values: Mapping[str, Any], session: PageSession, now: datetime, n: int
) -> Settings:
    changes = {**before.changes, section.key: Change(n + 1, session.user_id, now.isoformat())}
    return replace(before, **values, changes=changes)


def _stale(service: Service, session: PageSession, last: Change) -> ResponseReturnValue:
    _ = translator(session.language)
    text = _(
        "Пока вы меняли этот раздел, его сохранили: %(changed)s. Ваш ввод на месте, но не сохранён. Посмотрите, что "
        "теперь в настройках, и повторите.",
        changed=_changed(last, _names(service, session), session.zone, _),
    )
    return problem(409, "changed_meanwhile", text, session.language)


def _refused(errors: Mapping[str, str], session: PageSession) -> ResponseReturnValue:
    _ = translator(session.language)
    reply = problem(422, "wrong_values", "Не сохранено: исправьте отмеченное.", session.language)
    body = dict(reply.get_json()) | {"errors": {name: _(text) for name, text in errors.items()}}
    reply.set_data(jsonify(body).get_data())
    return reply


def _names(service: Service, session: PageSession) -> Mapping[int, str]:
    with service.store.reading() as tx:
        everybody = colleagues.everybody(tx, session.portal_id)
    return {user_id: str(row["name"]) for user_id, row in everybody.items()}


def _changed(change: Change | None, names: Mapping[int, str], zone: str, _: Translator) -> str:
    """«Иван Петров, 24 ноября 2026 г., 10:05»; "" for a section nobody has saved yet."""
    if change is None or not change.at:
        return ""
    at = language.viewers_moment(datetime.fromisoformat(change.at), zone, _)
    return f"{names.get(change.by, f'№ {change.by}')}, {at}"


# ------------------------------------------------------------------------ trying before saving


def _preview(service: Service, session: PageSession) -> ResponseReturnValue:
    """What the table on the page would say; nothing is saved."""
    administering(service, session)
    with service.store.reading() as tx:
        settings = setups.read(tx, session.portal_id).settings
    try:
        table = rule_table.parse(
            _body().get("rules"), rule_table.rows(settings), translator(settings.language)
        )
    except WrongTable as wrong:
        return _refused(wrong.errors, session)
    _ = translator(session.language)
    html = render_template("settings/_sentences.html", _=_, sentences=sentences(table, _))
    return jsonify(html=html, version=rule_table.version(table))


def _test_mail(service: Service, session: PageSession) -> ResponseReturnValue:
    """Send a mail the *saved* way to an address; what the server or the portal answers comes back in words."""
    administering(service, session)
    to = _body().get("to")
    address = email_of(to) if isinstance(to, str) else ""
    if not address:
        return _refused({"to": "Это не адрес электронной почты."}, session)
    sent, text = trial_mail.send(service, session.portal_id, address, translator(session.language))
    return jsonify(sent=sent, text=text)
