"""Guards of what pages inside the portal ask of us: a session in a header, for changes the viewer's token.

Rights are the portal's: before anything is changed, the portal is asked with the viewer's own token.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from flask import Response, json, request
from flask.typing import ResponseReturnValue

from b24 import logs, portals
from b24.client import Client
from b24.errors import B24Error, Rejected, SetupMissing, Untrusted
from b24.launch import Viewer, verify_viewer
from b24.page_session import HEADER, PageSession
from smart_process.language import translator
from smart_process.service import Service

__all__ = [
    "HEADER",
    "TOKEN_HEADER",
    "Forbidden",
    "PageSession",
    "acting",
    "administering",
    "changing",
    "may_change",
    "page_api",
]

TOKEN_HEADER = "X-Viewer-Token"  # noqa: S105

P = ParamSpec("P")
View = Callable[Concatenate[PageSession, P], ResponseReturnValue]


class Forbidden(Exception):
    """The viewer may not do this; ``text`` (Russian) is for people, ``code`` for the page's script."""

    def __init__(self, text: str, code: str = "forbidden") -> None:
        super().__init__(text)
        self.text = text
        self.code = code


def page_api(service: Service, *pages: str) -> Callable[[View[P]], Callable[P, ResponseReturnValue]]:
    """Guard a JSON endpoint of a page: the view gets the session first; without a good one the answer is 401.

    Args:
        pages: names of the pages that may call it; none: any page of ours.

    A ``Forbidden`` the view raises becomes 403 with its text, a refusal of the portal 422, its other
    errors 424. Answers are never stored by caches.
    """

    def decorate(view: View[P]) -> Callable[P, ResponseReturnValue]:
        @wraps(view)
        def checked(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            try:
                session = _active(service, PageSession.read(service.secrets, request.headers.get(HEADER, "")))
            except Untrusted as error:
                return problem(401, error.code.lower(), "Страница открыта слишком давно. Обновите её.")
            if pages and session.page not in pages:
                return problem(403, "other_page", "Это действие не для этой страницы.", session.language)
            return _answer(session, lambda: view(session, *args, **kwargs))

        return checked

    return decorate


def acting(service: Service, session: PageSession) -> Client:
    """A client with the rights of the viewer, from the token their page sent along.

    Raises:
        Forbidden: no token, a dead one, or somebody else's.
    """
    return _acting(service, session)[1]


def administering(service: Service, session: PageSession) -> Client:
    """The viewer's client, when the portal says now that they are its administrator.

    Raises:
        Forbidden: they are not, or as :func:`acting`.
    """
    viewer, client = _acting(service, session)
    if not viewer.is_admin:
        raise Forbidden("Настройки меняет администратор портала.", "not_admin")
    return client


def _acting(service: Service, session: PageSession) -> tuple[Viewer, Client]:
    token = request.headers.get(TOKEN_HEADER, "")
    if not token or len(token) > 1000:
        raise Forbidden("Обновите страницу и повторите: нужен ваш доступ к порталу.", "no_viewer_token")
    try:
        viewer = verify_viewer(service.portals, session.portal_id, token)
    except Untrusted:
        raise Forbidden("Обновите страницу и повторите: доступ устарел.", "viewer_token_expired") from None
    if viewer.user_id != session.user_id:
        raise Forbidden("Страница открыта под другим пользователем. Обновите её.", "other_user")
    return viewer, service.portals.viewer(session.portal_id, token)


def may_change(viewer: Client, entity_type_id: int, item_id: int) -> bool:
    """Whether the viewer may change an item: tried by an update that changes nothing and is not saved.

    Source: crm/universal/crm-item-update.md ("update without changes").
    """
    where = {"entityTypeId": entity_type_id, "id": item_id}
    try:
        item = viewer.call("crm.item.get", where)["item"]
        viewer.call("crm.item.update", {**where, "fields": {"title": item["title"]}}, write=True)
    except (Rejected, SetupMissing, Untrusted):
        return False
    return True


def changing(service: Service, session: PageSession) -> Client:
    """The viewer's client, after their right to change the opened item was tried.

    Raises:
        Forbidden: no item, no token, somebody else's, or no right.
    """
    if session.item is None:
        raise Forbidden("Откройте карточку и повторите.", "no_item")
    client = acting(service, session)
    if not may_change(client, *session.item):
        raise Forbidden("У вас нет права изменять эту карточку.", "no_right")
    return client


def problem(status: int, code: str, text: str, language: str = "ru") -> Response:
    """An RFC 9457 problem document; ``detail`` is for people."""
    words = translator(language)(text)
    body = {
        "type": f"urn:event-app:problem:{code}",
        "title": words,
        "status": status,
        "detail": words,
        "code": code,
    }
    return Response(json.dumps(body), status, content_type="application/problem+json", headers=_NO_STORE)


_NO_STORE = {"Cache-Control": "no-store"}


def _active(service: Service, session: PageSession) -> PageSession:
    """The session, unless the app was removed from the portal meanwhile."""
    with service.store.reading() as tx:
        portal = portals.by_id(tx, service.secrets, session.portal_id)
    if portal is None or portal.state == portals.UNINSTALLED:
        raise Untrusted("NOT_INSTALLED")
    logs.about(session.portal_id)
    return session


def _answer(session: PageSession, view: Callable[[], Any]) -> ResponseReturnValue:
    try:
        answer: ResponseReturnValue = view()
    except Forbidden as error:
        return problem(403, error.code, error.text, session.language)
    except Rejected as error:
        return problem(422, _code(error), "Портал отказал в этом действии.", session.language)
    except B24Error as error:
        return problem(424, _code(error), "Портал не отвечает. Повторите через минуту.", session.language)
    if isinstance(answer, Response):
        answer.headers.setdefault("Cache-Control", "no-store")
    return answer


def _code(error: B24Error) -> str:
    return (error.code or type(error).__name__).lower().replace(" ", "-")
