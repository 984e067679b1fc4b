"""The installer page and the steps it asks for one by one.

For programs (the demo, a headless installation) the same in JSON::

    POST /b24/install        form of the portal, Accept: application/json
        → 200 {"session", "step_url", "app_url", "steps": [...], "done", "busy", "problem", "asks"}
    POST /b24/install/step   X-Page-Session: <session>; with the first one perhaps {"guests": "everybody" | "closed"}
        → 200 {"steps": [{"key", "title", "does", "state", "found", "made", "changed"}],
               "done", "busy", "problem"}

until ``done``; ``problem`` is ``{"text", "code"}`` and the same call tries again, ``busy`` asks to wait. Then
the portal is told ``installFinish`` by the page in its frame.
"""

from __future__ import annotations

from flask import Blueprint, Response, current_app, json, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from b24 import framing, logs, portals
from b24.errors import AccessLost, B24Error, Malformed, SetupMissing, Untrusted
from b24.launch import Viewer, accept_installation, parse_launch
from b24.page_session import HEADER, MAX_AGE_S, PageSession
from smart_process.language import choose, translator
from smart_process.misses import Strangers, household
from smart_process.provision import Progress, Provision, StaleRun
from smart_process.service import Service
from smart_process.settings import Settings
from smart_process.store import setups

_PURPOSE = "install"
_REGIONS = {"kz": "KZ", "ru": "RU", "by": "BY", "uz": "UZ", "kg": "KG", "am": "AM", "ge": "GE"}
_APP_URL = "/b24/app"
_REFUSED = {
    "NOT_ADMIN": "Приложение устанавливает администратор портала. Попросите его открыть эту страницу.",
    "NO_REFRESH_TOKEN": "Портал не передал приложению доступ для работы в фоне. Так бывает у закрытых "
    "коробочных порталов: им нужен доступ к серверу авторизации Битрикс24.",
}
_TOO_MANY = "Подождите минуту и откройте страницу ещё раз из портала."
_UNPROVED = "Портал не подтвердил установку. Закройте страницу и начните установку ещё раз."
_UNREACHED = "Сервер авторизации Битрикс24 сейчас не отвечает. Обновите страницу через минуту."
_MISCONFIGURED = (
    "В приложении неверно указаны код или ключ. Проверьте их в карточке приложения и в его настройках."
)


def blueprint(service: Service) -> Blueprint:
    """``/b24/install`` and its steps."""
    bp = Blueprint("install", __name__)

    @bp.get("/b24/install")
    def neutral() -> ResponseReturnValue:
        return _message(
            200, "Установка", "Эта страница открывается при установке приложения из портала Битрикс24."
        )

    @bp.post("/b24/install")
    def start() -> ResponseReturnValue:
        return _start(service)

    @bp.post("/b24/install/step")
    def step() -> ResponseReturnValue:
        try:
            claims = service.secrets.unsign(request.headers.get(HEADER, ""), _PURPOSE, MAX_AGE_S)
            portal_id, run, language = int(claims["portal_id"]), str(claims["run"]), str(claims["language"])
        except (Untrusted, KeyError, ValueError):
            return _problem(401, "expired", "Страница установки открыта слишком давно. Обновите её.", "ru")
        try:
            logs.about(portal_id)
            provision = _provision(service, portal_id, language)
            said = request.get_json(silent=True)
            guests = said.get("guests") if isinstance(said, dict) else None
            if guests in ("everybody", "closed"):
                provision.answer(run, closed=guests == "closed")
            progress = provision.step(run)
        except StaleRun:
            return _problem(409, "stale", "Установка начата заново в другом окне. Закройте это.", language)
        if progress.done:
            service.wake(portal_id)
        return progress.to_json(language), 200, {"Cache-Control": "no-store"}

    return bp


def _start(service: Service) -> ResponseReturnValue:
    strangers: Strangers = current_app.extensions.setdefault("strangers", Strangers())
    address, now = household(request.remote_addr or ""), service.clock()
    try:
        launch = parse_launch(request.get_data(), request.query_string)
    except Malformed as error:
        return _refused(error)
    if not strangers.may_ask(address, launch.member_id, now=now):
        return _message(429, "Слишком много попыток", _TOO_MANY)
    try:
        viewer = accept_installation(service.portals, launch)
    except B24Error as error:
        if isinstance(error, Untrusted | AccessLost):
            strangers.failed(address, launch.member_id, now=now)
        return _refused(error)
    strangers.proved(address, launch.member_id)
    return _begin(service, viewer, choose(launch.language, [], "en"))


def _refused(error: B24Error) -> Response:
    if isinstance(error, Malformed):
        return _message(400, "Установка не началась", "Откройте установку ещё раз из портала.")
    if isinstance(error, Untrusted | AccessLost):
        return _message(403, "Установка невозможна", _REFUSED.get(error.code, _UNPROVED))
    if isinstance(error, SetupMissing):
        return _message(409, "Установка невозможна", _MISCONFIGURED)
    # 424 and not 503: what failed is the authorisation server, and nothing was taken over.
    return _message(424, "Установка не началась", _UNREACHED)


def _provision(service: Service, portal_id: int, language: str) -> Provision:
    return Provision(
        service.store,
        service.portals.client(portal_id),
        portal_id,
        public_url=service.public_url,
        clock=service.clock,
        language=language,
    )


def _begin(service: Service, viewer: Viewer, language: str) -> ResponseReturnValue:
    logs.about(viewer.portal_id)
    origin = _first_settings(service, viewer.portal_id, language)
    provision = _provision(service, viewer.portal_id, language)
    asks, progress = provision.asks(), provision.start()
    claims = {"portal_id": viewer.portal_id, "run": progress.run, "language": language}
    token = service.secrets.sign(claims, _PURPOSE)
    if request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json":
        body = progress.to_json(language) | {
            "session": token,
            "step_url": url_for("install.step"),
            "app_url": _APP_URL,
            "asks": asks,
        }
        return body, 200, {"Cache-Control": "no-store"}
    return _page(service, viewer, language, token, progress, origin, asks=asks)


def _first_settings(service: Service, portal_id: int, language: str) -> str:
    """Defaults that fit the portal, once; its origin."""
    with service.store.transaction() as tx:
        portal = portals.by_id(tx, service.secrets, portal_id)
        if portal is None:
            raise LookupError(f"portal {portal_id} vanished")
        if not setups.known(tx, portal_id):
            zone = portal.host.partition(":")[0].rpartition(".")[2]
            settings = Settings(language=language, region=_REGIONS.get(zone, "KZ"))
            setups.write_settings(tx, portal_id, settings, now=service.clock())
    return portal.origin


def _page(
    service: Service,
    viewer: Viewer,
    language: str,
    token: str,
    progress: Progress,
    origin: str,
    *,
    asks: bool,
) -> Response:
    session = PageSession(
        viewer.portal_id, viewer.user_id, viewer.is_admin, "app", language=language, zone=viewer.time_zone
    )
    page = render_template(
        "install/page.html",
        _=translator(language),
        language=language,
        token=token,
        origin=origin,
        steps=progress.to_json(language)["steps"],
        asks=asks,
        app_url=_APP_URL,
        app_token=session.sign(service.secrets),
    )
    response = make_response(page)
    response.headers.update(framing.headers(origin))
    return response


def _message(status: int, title: str, text: str) -> Response:
    language = choose(request.args.get("LANG", "").lower(), [], "ru")
    _ = translator(language)
    page = render_template("app/message.html", _=_, language=language, title=_(title), text=_(text))
    response = make_response(page, status)
    response.headers.update(framing.headers(None))
    return response


def _problem(status: int, code: str, text: str, language: str) -> Response:
    words = translator(language)(text)
    body = {
        "type": f"urn:event-app:problem:{code}",
        "title": words,
        "status": status,
        "detail": words,
        "code": code,
    }
    return Response(
        json.dumps(body),
        status,
        content_type="application/problem+json",
        headers={"Cache-Control": "no-store"},
    )
