"""The start page, and what every page has around it: left menu, who is signed in, whether in a slider."""

from __future__ import annotations

from typing import Any

from flask import abort, redirect, render_template, request
from werkzeug.wrappers import Response

from b24.sandbox import apps
from b24.sandbox.ui.desk import COMPANY, CONTACT, DEAL, LEAD, desk
from b24.sandbox.ui.notifications import unread
from b24.sandbox.ui.site import bp
from b24.sandbox.ui.structure import Kind, classic_kind, kind_at, people, person_name, smart_kinds
from b24.sandbox.ui.widgets import widgets

GUEST_PAGES = ("ui.public_form", "ui.fill_form")


@bp.get("/")
def start() -> str:
    """Who is signed in, and ways into the portal."""
    return render_template("start.html", colleagues=list(people().values()))


@bp.get("/crm/<any(lead, deal, contact, company):slug>/")
@bp.get("/crm/type/<int:entity_type_id>/")
def home(slug: str | None = None, entity_type_id: int | None = None) -> Response:
    """The short address of a type leads to its kanban or list."""
    return redirect(kind_at(slug, entity_type_id).home)


@bp.get("/<path:anywhere>")
def nowhere(anywhere: str) -> str:
    """Pages a real portal has and this one does not."""
    abort(404, f"Страницы /{anywhere[:100]} на учебном портале нет.")


@bp.app_template_global("menu")
def menu() -> list[tuple[str, list[tuple[str, str]]]]:
    """Groups of the left menu: title, then addresses with their names."""
    crm = [classic_kind(number) for number in (DEAL, CONTACT, COMPANY, LEAD)]
    me = desk().user_id
    groups = [("CRM", links(crm)), ("Смарт-процессы", links(smart_kinds()))]
    groups.append(
        ("Работа", [(f"/company/personal/user/{me}/tasks/", "Задачи"), ("/company/", "Сотрудники")])
    )
    groups[0][1].append(("/crm/recyclebin/", "Корзина"))
    groups.append(("Формы и почта", [("/crm/webform/", "CRM-формы"), ("/sandbox/mail", "Почта портала")]))
    groups.append(("Приложения", [*application_links(), ("/marketplace/installed/", "Все приложения")]))
    groups.append(("Разработчикам", [("/sandbox/log", "Журнал REST")]))
    return [group for group in groups if group[1]]


def current_link(here: str) -> str:
    """Address of the menu line the page belongs to: the page itself, else the longest one it lies under."""
    addresses = [href for _, lines in menu() for href, _ in lines]
    if here in addresses:
        return here
    return max((href for href in addresses if here.startswith(href)), key=len, default="")


def links(kinds: list[Kind]) -> list[tuple[str, str]]:
    """Menu lines of object types."""
    return [(kind.home, kind.title) for kind in kinds]


def application_links() -> list[tuple[str, str]]:
    """Pages and ``LEFT_MENU`` widgets of installed applications; for administrators unfinished ones too."""
    here = desk()
    with here.portal.transaction():
        known = apps.every(here.portal)
        admin = here.portal.is_admin(here.user_id)
    own = [
        (f"/marketplace/app/{app.id}/", app.title if app.installed else f"{app.title} (установка)")
        for app in known
        if app.interface and app.handler_url and (app.installed or admin)
    ]
    return own + [(one.href(), one.title) for one in widgets("LEFT_MENU")]


@bp.app_context_processor
def around() -> dict[str, Any]:
    """What the page frame of every template needs."""
    if request.endpoint in GUEST_PAGES:
        return {"slider": True, "guest": True}
    here = request.full_path.rstrip("?")
    return {
        "slider": request.args.get("IFRAME") == "Y",
        "me": {"id": desk().user_id, "name": person_name(desk().user_id)},
        "unread": unread(),
        "keeper": desk().portal.is_admin(desk().user_id),
        "current": current_link(here),
    }
