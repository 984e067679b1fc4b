"""A page of the app opened in the portal's frame: installer, main page, tabs.

The POST is written by the browser of whoever looks, so nothing in it is true by itself: the portal is found
by ``member_id``, the person by asking the *stored* address with their token, an installation by redeeming the
refresh token at our authorisation server (design 4.5). ``DOMAIN`` and ``SERVER_ENDPOINT`` never become an
address.

Source: settings/oauth/simple-way.md, api-reference/widgets/_includes/widget_data.md.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from b24 import call_log
from b24 import portals as stored_portals
from b24.answers import Answer, Context, batch_answers, read
from b24.errors import AccessLost, B24Error, Malformed, Rejected, TokenExpired, Untrusted
from b24.events import COMPANY, CONTACT, DEAL, LEAD, PortalEvent
from b24.forms import number_of, parse_form, text_at
from b24.oauth import Grant, KeepLine
from b24.portals import Portal
from b24.secrets import Secrets
from b24.store import calls

if TYPE_CHECKING:
    from b24.client import Portals

_PLACEMENT = re.compile(r"[A-Z][A-Z0-9_]{1,99}")
_CRM_PLACEMENT = re.compile(
    r"CRM_(?:DYNAMIC_(?P<dynamic>\d{1,9})|(?P<classic>LEAD|DEAL|CONTACT|COMPANY))_DETAIL_\w+"
)
_CLASSIC = {"LEAD": LEAD, "DEAL": DEAL, "CONTACT": CONTACT, "COMPANY": COMPANY}


@dataclass(frozen=True)
class Launch:
    """The POST that opens a page; claims, not facts.

    Attributes:
        auth_id: token of whoever opened the page, good for an hour; used once, never stored.
        placement: upper case, ``DEFAULT`` for the app's own page.
        options: ``PLACEMENT_OPTIONS`` decoded; empty when absent or empty in any of its spellings.
        language: two letters, lower case; ``ru`` when absent.
    """

    member_id: str
    auth_id: str = field(repr=False)
    refresh_id: str = field(repr=False)
    application_token: str = field(repr=False)
    placement: str
    options: Mapping[str, Any]
    language: str
    domain: str
    server_endpoint: str

    def item(self) -> tuple[int, int] | None:
        """``(entity_type_id, id)`` of the card a tab was opened on; ``None`` on other pages and unsaved
        cards.

        The type stands only in the placement's code, the id under ``ID`` or ``ENTITY_ID``, as text.
        """
        found = _CRM_PLACEMENT.fullmatch(self.placement)
        item_id = self.option_id("ID", "ENTITY_ID")
        if not found or not item_id:
            return None
        return int(found["dynamic"] or _CLASSIC[found["classic"]]), item_id

    def option_id(self, *names: str) -> int | None:
        """The first of these options that is an id (``ID``, ``ENTITY_ID``, ``taskId``)."""
        return next((number for name in names if (number := number_of(self.options.get(name)))), None)


@dataclass(frozen=True)
class Viewer:
    """Who looks at a page, as the portal itself says.

    ``item`` is the opened card as this person may read it (``crm.item.get``), ``None`` on pages without one.
    """

    portal_id: int
    user_id: int
    is_admin: bool
    name: str = ""
    language: str = "ru"
    time_zone: str = ""
    item: Mapping[str, Any] | None = field(default=None, repr=False)


def parse_launch(body: bytes, query: bytes = b"") -> Launch:
    """The launch in a form body and the query of its address (``DOMAIN``, ``LANG`` … stand in the query).

    Raises:
        Malformed: no portal, no token, contradictory or unreadable values.
    """
    form = _merged(parse_form(query), parse_form(body))
    member_id = text_at(form, "member_id", longest=64)
    auth_id = text_at(form, "AUTH_ID", longest=1000)
    placement = (text_at(form, "PLACEMENT", longest=100) or "DEFAULT").upper()
    if not member_id or not auth_id or not _PLACEMENT.fullmatch(placement):
        raise Malformed("NO_LAUNCH", "the page was not opened by a portal")
    return Launch(
        member_id=member_id,
        auth_id=auth_id,
        refresh_id=text_at(form, "REFRESH_ID", longest=1000),
        application_token=text_at(form, "APPLICATION_TOKEN", longest=200),
        placement=placement,
        options=_options(form.get("PLACEMENT_OPTIONS")),
        language=_language(text_at(form, "LANG", longest=100)),
        domain=text_at(form, "DOMAIN", longest=300),
        server_endpoint=text_at(form, "SERVER_ENDPOINT", longest=300),
    )


def accept_installation(portals: Portals, launch: Launch) -> Viewer:
    """Install the app in the portal an administrator opened the installer in.

    Identity and address come from the authorisation server's answer. The same page posted again (its refresh
    token is spent then) is accepted from an administrator of a portal that is installed already.

    Raises:
        Untrusted: not an administrator, no refresh token, or the claims contradict the answer.
        AccessLost: the authorisation server refuses the token.
        Unavailable, SetupMissing: not reachable; our client id or secret is wrong.
    """
    # Kept once it is proved whose they are: a stranger writes into nobody's log.
    lines: list[call_log.Line] = []
    try:
        grant = portals.oauth.redeem(launch.refresh_id, server=launch.server_endpoint, keep_line=lines.append)
    except AccessLost:
        viewer = _again(portals, launch)
        calls.keep(portals.store, viewer.portal_id, lines)
        return viewer
    if grant.member_id != launch.member_id:
        raise Untrusted("OTHER_PORTAL", "the tokens belong to another portal")
    profile, application = _administrator(portals, grant, lines.append)
    portal_id = _save(portals, grant, launch.application_token or None, profile, application, launch.language)
    calls.keep(portals.store, portal_id, lines)
    return _viewer(portal_id, profile, launch.language)


def heal(portals: Portals, launch: Launch, viewer: Viewer) -> bool:
    """Let an administrator who opened a page take over a portal that lets us in no more: their tokens become ours.

    Whoever installed the app may have left; nothing else than another administrator's token helps then. Costs nothing
    for a portal that works.

    Returns:
        Whether the portal works again by this.

    Raises:
        Unavailable, SetupMissing: the authorisation server was not reached, or refuses our client id or secret.
    """
    portal = _stored(portals, launch.member_id)
    if (
        portal is None
        or portal.state != stored_portals.PAUSED
        or not viewer.is_admin
        or not launch.refresh_id
    ):
        return False
    try:
        accept_installation(portals, launch)
    except (AccessLost, Untrusted):
        # It is not the person who is missing, but the plan or the whole portal: the words of the pause stay.
        return False
    with portals.store.reading() as tx:
        now = stored_portals.by_id(tx, portals.secrets, portal.id)
    return now is not None and now.state == stored_portals.ACTIVE


def accept_token(portals: Portals, event: PortalEvent) -> int:
    """Take a new ``application_token`` from ONAPPINSTALL or ONAPPUPDATE, once the event's own tokens prove
    it.

    Nothing is called for an unknown portal: its installation page comes first. A refresh token is proved by
    redeeming it with our secret, a bare access token by belonging to our app; both must be an
    administrator's.

    Returns:
        Our number of the portal.

    Raises:
        Untrusted: not proved; nothing was changed.
        B24Error: the proof could not be asked for.
    """
    portal = _stored(portals, event.member_id)
    if portal is None or not event.application_token:
        raise Untrusted("FORGED_EVENT", "unknown portal or no application token")
    same = Secrets.equal(portal.application_token or "", event.application_token)
    if same and portal.state != stored_portals.UNINSTALLED:
        return portal.id
    if event.refresh_token:
        return _by_refresh_token(portals, portal, event)
    _prove_our_app(portals, portal, event)
    with portals.store.transaction() as tx:
        stored_portals.save_application_token(
            tx, portal.id, event.application_token, secrets=portals.secrets, now=portals.clock()
        )
    return portal.id


def verify_page(portals: Portals, launch: Launch, *, read_item: bool = True) -> Viewer:
    """Who opened a page, asked once from the stored address with their own token.

    Args:
        read_item: also read the card the tab was opened on, in the same request; it must be readable.

    Raises:
        Untrusted: unknown portal, dead token, or a card this person may not read.
        B24Error: the portal could not be asked.
    """
    portal = _stored(portals, launch.member_id)
    if portal is None or portal.state == stored_portals.UNINSTALLED:
        raise Untrusted("UNKNOWN_PORTAL", "the app is not installed in this portal")
    return verify_viewer(
        portals,
        portal.id,
        launch.auth_id,
        item=launch.item() if read_item else None,
        language=launch.language,
    )


def verify_viewer(
    portals: Portals,
    portal_id: int,
    access_token: str,
    *,
    item: tuple[int, int] | None = None,
    language: str = "ru",
) -> Viewer:
    """Who holds a token, as the portal says now; also for actions of an open page. Errors as
    :func:`verify_page`.

    A token another application of the same portal was given is not accepted, whoever it belongs to: that
    application could act here in the name of everybody who opens it.

    Source: api-reference/common/system/app-info.md.
    """
    ours = _our_application(portals, portal_id)
    commands: dict[str, tuple[str, Mapping[str, Any]]] = {"profile": ("profile", {}), "app": ("app.info", {})}
    if item:
        commands["item"] = ("crm.item.get", {"entityTypeId": item[0], "id": item[1]})
    try:
        answers = portals.viewer(portal_id, access_token).batch(commands)
    except (AccessLost, Rejected) as error:
        raise Untrusted(error.code or "NO_ACCESS", "the portal does not accept this person") from None
    if _application(_result(answers["app"])) != ours:
        raise Untrusted("OTHER_APPLICATION", "the token was given to another application")
    profile = _result(answers["profile"])
    card = _result(answers["item"]).get("item") if item else None
    if item and not isinstance(card, Mapping):
        raise Untrusted("NO_ITEM", "no such card for this person")
    return _viewer(portal_id, profile, language, card)


def _result(answer: Answer | B24Error) -> Mapping[str, Any]:
    if isinstance(answer, Rejected | AccessLost):
        raise Untrusted(answer.code or "NO_RIGHT", "no right to read this")
    if isinstance(answer, B24Error):
        raise answer
    return answer.result if isinstance(answer.result, Mapping) else {}


def _again(portals: Portals, launch: Launch) -> Viewer:
    viewer = verify_page(portals, launch, read_item=False)
    if not viewer.is_admin:
        raise Untrusted("NOT_ADMIN", "only an administrator of the portal installs the app")
    return viewer


def _by_refresh_token(portals: Portals, portal: Portal, event: PortalEvent) -> int:
    lines: list[call_log.Line] = []
    try:
        grant = portals.oauth.redeem(event.refresh_token, keep_line=lines.append)
    except AccessLost as error:
        raise Untrusted(error.code, "the authorisation server does not know this token") from None
    if grant.member_id != portal.member_id:
        raise Untrusted("OTHER_PORTAL", "the tokens belong to another portal")
    profile, application = _administrator(portals, grant, lines.append)
    calls.keep(portals.store, portal.id, lines)
    language = event.language or portal.language
    return _save(portals, grant, event.application_token, profile, application, language)


def _prove_our_app(portals: Portals, portal: Portal, event: PortalEvent) -> None:
    if not event.access_token or portal.state != stored_portals.ACTIVE:
        raise Untrusted("FORGED_EVENT", "the event proves nothing")
    asked: dict[str, tuple[str, Mapping[str, Any]]] = {"app": ("app.info", {}), "profile": ("profile", {})}
    try:
        theirs = portals.viewer(portal.id, event.access_token).batch(asked)
    except (AccessLost, Rejected) as error:
        raise Untrusted(error.code or "NO_ACCESS", "the portal does not accept this token") from None
    same = _application(_result(theirs["app"])) == _our_application(portals, portal.id)
    if not same or _result(theirs["profile"]).get("ADMIN") is not True:
        raise Untrusted("FORGED_EVENT", "the token is not an administrator's of this app")


def _our_application(portals: Portals, portal_id: int) -> str:
    """Which application of the portal we are; asked once for a portal installed before this was kept."""
    with portals.store.reading() as tx:
        portal = stored_portals.by_id(tx, portals.secrets, portal_id)
    if portal is not None and portal.application:
        return portal.application
    ours = _application(portals.client(portal_id).call("app.info"))
    with portals.store.transaction() as tx:
        stored_portals.save_application(tx, portal_id, ours)
    return ours


def _application(info: Any) -> str:
    """An answer of ``app.info`` as one text: the number of the application in this portal, and its code."""
    if not isinstance(info, Mapping) or not number_of(info.get("ID")):
        raise Untrusted("NO_APPLICATION", "the portal named no application")
    return f"{number_of(info['ID'])}:{info.get('CODE') or ''}"[:160]


def _administrator(portals: Portals, grant: Grant, keep_line: KeepLine) -> tuple[Mapping[str, Any], str]:
    """``profile`` of whoever the tokens belong to, who must be an administrator, and which application they are for."""
    asked = {"profile": "profile", "app": "app.info"}
    context = Context("batch", write=False, now=portals.clock())
    params, started = {"halt": 0, "cmd": asked}, time.monotonic()
    payload = {**params, "auth": grant.access_token}
    reply = portals.transport.post(f"{grant.client_endpoint}batch", payload, interactive=True)
    ms = round(1000 * (time.monotonic() - started))
    keep_line(call_log.line("batch", params, at=context.now, ms=ms, status=reply.status))
    try:
        answers = batch_answers(read(reply.status, reply.body, context), asked, context)
    except (AccessLost, Rejected, TokenExpired) as error:
        raise Untrusted(error.code or "NO_ACCESS", "the portal does not accept this person") from None
    profile = _result(answers["profile"])
    if profile.get("ADMIN") is not True:
        raise Untrusted("NOT_ADMIN", "only an administrator of the portal installs the app")
    return profile, _application(_result(answers["app"]))


def _save(
    portals: Portals,
    grant: Grant,
    application_token: str | None,
    profile: Mapping[str, Any],
    application: str,
    language: str,
) -> int:
    with portals.store.transaction() as tx:
        return stored_portals.save_installation(
            tx,
            grant,
            application_token,
            secrets=portals.secrets,
            now=portals.clock(),
            user_id=number_of(profile.get("ID")),
            language=language,
            application=application,
        )


def _stored(portals: Portals, member_id: str) -> Portal | None:
    with portals.store.reading() as tx:
        return stored_portals.by_member(tx, portals.secrets, member_id)


def _viewer(
    portal_id: int, profile: Mapping[str, Any], language: str, card: Mapping[str, Any] | None = None
) -> Viewer:
    user_id = number_of(profile.get("ID"))
    if not user_id:
        raise Untrusted("NO_USER", "the portal named no person")
    name = f"{profile.get('NAME') or ''} {profile.get('LAST_NAME') or ''}".strip()
    zone = profile.get("TIME_ZONE")
    return Viewer(
        portal_id,
        user_id,
        profile.get("ADMIN") is True,
        name,
        language,
        zone if isinstance(zone, str) else "",
        card,
    )


def _merged(query: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    for key in query.keys() & body.keys():
        if query[key] != body[key]:
            raise Malformed("CONTRADICTION", f"{key[:40]} differs in address and body")
    return query | body


def _options(value: Any) -> Mapping[str, Any]:
    """``PLACEMENT_OPTIONS``: a JSON text, possibly of an empty list, absent, or already nested fields."""
    if isinstance(value, Mapping):
        return value
    if not isinstance(value, str) or value in ("", "undefined", "null"):
        return {}
    try:
        options = json.loads(value)
    except (ValueError, RecursionError):
        raise Malformed("BAD_OPTIONS", "PLACEMENT_OPTIONS is not JSON") from None
    if options in ([], None):
        return {}
    if not isinstance(options, dict):
        raise Malformed("BAD_OPTIONS", "PLACEMENT_OPTIONS is not an object")
    return options


def _language(text: str) -> str:
    short = text.strip().lower()[:2]
    return short if short.isascii() and short.isalpha() and len(short) == 2 else "ru"
