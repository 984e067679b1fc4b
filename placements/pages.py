"""Our pages inside the portal: the main page and the tabs. A launch is verified, gets a session, is rendered.

``GET`` and ``HEAD`` answer a neutral page (the Market's address checker asks so) and do nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from flask import Blueprint, Response, current_app, make_response, render_template, request
from flask.typing import ResponseReturnValue

from b24 import framing, logs, portals
from b24.errors import B24Error, Malformed, Untrusted
from b24.launch import Launch, Viewer, heal, parse_launch, verify_page, verify_viewer
from b24.page_session import HEADER, RENEWABLE_S, PageSession
from b24.portals import Portal
from b24.store import marks
from placements import settings_page
from placements.home import blueprint as home_api
from placements.home import home
from placements.registry import Opened, Tab, checked, spec_of
from placements.roles import REFUSALS, holds
from placements.session import TOKEN_HEADER, Forbidden, problem
from smart_process.language import choose, translator
from smart_process.misses import Strangers, household
from smart_process.provision import renewal
from smart_process.schema import Binding
from smart_process.service import Service
from smart_process.store import setups

APP = "app"
ABOUT_GUESTS = frozenset({"participation", "contact", "company"})
"""Tabs that tell who the guests are and nothing else: closed to those the settings keep out."""


class TooMany(Exception):
    """Pages were opened from this address again and again without anybody behind it."""


def blueprint(service: Service, tabs: Mapping[str, Tab]) -> Blueprint:
    """``/b24/app``, ``/b24/placement/<name>`` and the renewal of page sessions.

    Args:
        tabs: per declared placement the function that makes its page.
    """
    bp = Blueprint("pages", __name__)
    known_tabs = checked(tabs)
    bp.register_blueprint(home_api(service))

    @bp.get("/b24/app")
    @bp.get("/b24/placement/<name>")
    def neutral(name: str = "") -> ResponseReturnValue:
        return message(None, 200, "Мероприятия", "Эта страница открывается внутри портала Битрикс24.")

    @bp.post("/b24/app")
    def app_page() -> ResponseReturnValue:
        request.get_data()  # before the form is touched, or the body is gone for the launch
        token = request.form.get("page_session", "")
        return _guarded(lambda: _from_install(service, token) if token else _launched(service, APP, home))

    @bp.post("/b24/settings")
    def settings() -> ResponseReturnValue:
        """The main page's way to the settings, with the main page's session."""
        token = request.form.get("page_session", "")
        return _guarded(lambda: _from_install(service, token, settings_page.page))

    @bp.post("/b24/placement/<name>")
    def placement(name: str) -> ResponseReturnValue:
        tab = known_tabs.get(name)
        if tab is None:
            return message(
                None, 404, "Такой вкладки нет", "Переустановите приложение, чтобы обновить вкладки."
            )
        return _guarded(lambda: _launched(service, name, tab))

    @bp.post("/b24/page/session")
    def renew() -> ResponseReturnValue:
        return _renewed(service)

    return bp


def message(origin: str | None, status: int, title: str, text: str, language: str = "") -> Response:
    """A page that only says something, in the viewer's language."""
    lang = choose(language or request.values.get("LANG", "").lower(), [], "ru")
    _ = translator(lang)
    page = render_template("app/message.html", _=_, language=lang, title=_(title), text=_(text))
    return framed(make_response(page, status), origin)


def framed(response: Response, origin: str | None) -> Response:
    """The response with the headers of a page for one portal."""
    response.headers.update(framing.headers(origin))
    return response


def _guarded(view: Any) -> ResponseReturnValue:
    """What the outside gets wrong is answered with words; nothing of it is repeated."""
    try:
        answer: ResponseReturnValue = view()
    except Malformed:
        return message(
            None, 400, "Страница не открылась", "Откройте её ещё раз из меню или карточки портала."
        )
    except TooMany:
        return message(
            None, 429, "Слишком много попыток", "Подождите минуту и откройте страницу ещё раз из портала."
        )
    except Untrusted:
        return message(
            None,
            403,
            "Нет доступа",
            "Портал не подтвердил, что эту страницу открыли вы. Обновите страницу портала.",
        )
    except Forbidden as error:
        return message(None, 403, "Нет доступа", error.text)
    except B24Error:
        # 424 and not 503: what failed is the portal or its patience, which a stranger may try; we are well.
        return message(
            None,
            424,
            "Портал не отвечает",
            "Не удалось проверить ваш доступ. Обновите страницу через минуту.",
        )
    return answer


def _launched(service: Service, page: str, tab: Tab) -> ResponseReturnValue:
    launch = parse_launch(request.get_data(), request.query_string)
    language = choose(launch.language, [], "ru")
    with service.store.reading() as tx:
        portal = portals.by_member(tx, service.secrets, launch.member_id)
        binding = setups.read(tx, portal.id).binding if portal else None
    # First, so that an invented placement makes us read nothing at all.
    item = _opened_item(launch, page, binding) if binding else None
    viewer = _proved(service, launch, item is not None)
    logs.about(viewer.portal_id)
    if portal is None or binding is None:
        return _unfinished(portal, language)
    if portal.state == portals.PAUSED:
        portal = _healed(service, launch, viewer, portal)
    session = PageSession(
        portal_id=viewer.portal_id,
        user_id=viewer.user_id,
        is_admin=viewer.is_admin,
        page=page,
        entity_type_id=item[0] if item else None,
        item_id=item[1] if item else None,
        language=language,
        zone=viewer.time_zone,
    )
    if page in ABOUT_GUESTS and not _may_see_guests(service, session, launch):
        tab = _closed
    return _opened(service, session, portal, binding, tab, viewer.item)


def _may_see_guests(service: Service, session: PageSession, launch: Launch) -> bool:
    return holds(
        service, session, lambda: service.portals.viewer(session.portal_id, launch.auth_id), "guests"
    )


def _closed(_service: Service, opened: Opened) -> ResponseReturnValue:
    _ = opened.translate
    refusal = REFUSALS["guests"]
    shared = {"language": opened.session.language, "token": opened.token, "origin": opened.origin}
    return render_template("event_tab/wait.html", _=_, text=_(refusal), **shared)


def _proved(service: Service, launch: Launch, read_item: bool) -> Viewer:
    """Who opened the page; an address that keeps proving nothing is not let through to the portal.

    Raises:
        TooMany: ask again in a minute.
        B24Error: as :func:`b24.launch.verify_page`.
    """
    strangers: Strangers = current_app.extensions.setdefault("strangers", Strangers())
    address, now = household(request.remote_addr or ""), service.clock()
    if not strangers.may_ask(address, launch.member_id, now=now):
        raise TooMany
    try:
        viewer = verify_page(service.portals, launch, read_item=read_item)
    except Untrusted:
        strangers.failed(address, launch.member_id, now=now)
        raise
    strangers.proved(address, launch.member_id)
    return viewer


def _healed(service: Service, launch: Launch, viewer: Viewer, portal: Portal) -> Portal:
    """The portal after an administrator's visit may have let us in again; the pages open either way."""
    with suppress(B24Error):
        if heal(service.portals, launch, viewer):
            with service.store.transaction() as tx:
                marks.mark(tx, portal.id, renewal.MARK, ["0"], now=service.clock())
            service.wake(portal.id)
    with service.store.reading() as tx:
        return portals.by_id(tx, service.secrets, portal.id) or portal


def _unfinished(portal: Portal | None, language: str) -> Response:
    text = "Администратор портала должен завершить установку."
    return message(portal.origin if portal else None, 200, "Установка не закончена", text, language)


def _opened_item(launch: Launch, page: str, binding: Binding) -> tuple[int, int] | None:
    """The card a tab was opened on; ``None`` on the main page and on a card not saved yet.

    Raises:
        Untrusted: the tab stands at another place than its own.
    """
    spec = spec_of(page)
    if spec is None:
        return None
    types = {"event": binding.event.entity_type_id, "participation": binding.participation.entity_type_id}
    if launch.placement != spec.code_in(types):
        raise Untrusted("OTHER_PLACEMENT")
    return launch.item()


def _from_install(service: Service, token: str, tab: Tab = home) -> ResponseReturnValue:
    """A page of ours hands its viewer over to another one without a second launch."""
    session = PageSession.read(service.secrets, token)
    portal, binding = _portal(service, session.portal_id)
    if session.page != APP or binding is None:
        raise Untrusted("BAD_TOKEN")
    return _opened(service, session, portal, binding, tab)


def _opened(
    service: Service,
    session: PageSession,
    portal: Portal,
    binding: Binding,
    tab: Tab,
    card: Mapping[str, Any] | None = None,
) -> ResponseReturnValue:
    opened = Opened(
        session=session,
        token=session.sign(service.secrets),
        binding=binding,
        origin=portal.origin,
        translate=translator(session.language),
        viewer_token=request.form.get("AUTH_ID", ""),
        portal=portal,
        card=card or {},
    )
    return framed(make_response(tab(service, opened)), portal.origin)


def _portal(service: Service, portal_id: int) -> tuple[Portal, Binding | None]:
    with service.store.reading() as tx:
        portal = portals.by_id(tx, service.secrets, portal_id)
        setup = setups.read(tx, portal_id)
    if portal is None or portal.state == portals.UNINSTALLED:
        raise Untrusted("NOT_INSTALLED")
    return portal, setup.binding


def _renewed(service: Service) -> ResponseReturnValue:
    """A new session for a page left open, when the viewer's present token is still theirs."""
    try:
        old = PageSession.read(service.secrets, request.headers.get(HEADER, ""), max_age_s=RENEWABLE_S)
        viewer = verify_viewer(
            service.portals, old.portal_id, request.headers.get(TOKEN_HEADER, ""), item=old.item
        )
        if viewer.user_id != old.user_id:
            raise Untrusted("OTHER_USER")
    except Untrusted as error:
        return problem(401, error.code.lower(), "Страница открыта слишком давно. Обновите её.")
    except B24Error:
        return problem(424, "portal", "Портал не отвечает. Повторите через минуту.")
    fresh = PageSession(**{**vars(old), "is_admin": viewer.is_admin})
    return {"session": fresh.sign(service.secrets)}, 200, {"Cache-Control": "no-store"}
