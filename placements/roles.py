"""Roles of the settings: who may do what beyond the right to change a card, checked with the viewer's own token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from b24.answers import Answer
from b24.client import Client
from placements.session import Forbidden, PageSession, acting
from smart_process.service import Service
from smart_process.settings import Grant
from smart_process.store import setups

Role = Literal["devices", "undo", "resend", "guests"]
REFUSALS: dict[Role, str] = {
    "devices": "Подключать телефоны могут только те, кого назначил администратор портала. Ничего не изменено.",
    "undo": "Отменять приход могут только те, кого назначил администратор портала. Ничего не изменено.",
    "resend": "Отправлять письма повторно могут только те, кого назначил администратор портала. Ничего не отправлено.",
    "guests": "Кто гости, видят сотрудники, которым это разрешил администратор портала.",
}


def demand(service: Service, session: PageSession, viewer: Client, role: Role) -> None:
    """Refuse an action to whom the settings do not grant it.

    Raises:
        Forbidden: not granted.
    """
    if not holds(service, session, lambda: viewer, role):
        raise Forbidden(REFUSALS[role], "no_role")


def see_guests(service: Service, session: PageSession) -> None:
    """Refuse to tell who the guests are; a page without its viewer's token is only asked for one where it matters.

    Raises:
        Forbidden: not granted, or no token to tell by.
    """
    if not holds(service, session, lambda: acting(service, session), "guests"):
        raise Forbidden(REFUSALS["guests"], "no_role")


def holds(service: Service, session: PageSession, viewer: Callable[[], Client], role: Role) -> bool:
    """Whether the settings let this viewer do it.

    Where nobody is named, the right to change the card is enough; administrators of the portal always may, as the
    portal says now and not when the page was opened.

    Source: api-reference/user/user-current.md (``UF_DEPARTMENT``), api-reference/common/users/profile.md.
    """
    with service.store.reading() as tx:
        grant: Grant = getattr(setups.read(tx, session.portal_id).settings.roles, role)
    if not (grant.users or grant.departments) or session.user_id in grant.users:
        return True
    told = viewer().batch({"profile": ("profile", {}), "user": ("user.current", {})})
    profile, user = told["profile"], told["user"]
    if isinstance(profile, Answer) and profile.result.get("ADMIN") is True:
        return True
    departments = user.result.get("UF_DEPARTMENT") or [] if isinstance(user, Answer) else []
    return bool({str(one) for one in departments} & {str(one) for one in grant.departments})
