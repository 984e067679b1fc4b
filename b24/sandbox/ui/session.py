"""Who is signed in, and which requests may change anything.

There are no passwords: whoever can open the sandbox picks a colleague. Without a choice the portal's first
administrator is at the desk, so that a link printed by the demo opens at once. Changes are accepted from the
portal's own pages only.
"""

from __future__ import annotations

import sqlite3
from typing import Any
from urllib.parse import urlsplit

from flask import abort, g, redirect, render_template, request
from werkzeug.wrappers import Response

from b24.sandbox.kernel import RestError
from b24.sandbox.ui.desk import Desk, portal
from b24.sandbox.ui.site import bp

COOKIE = "b24sandbox_user"
LANGUAGE_COOKIE = "b24sandbox_language"
LANGUAGES = {"ru": "Русский", "en": "English", "kz": "Қазақша"}
"""What a page's ``LANG`` may say; a portal offers more. This portal's own pages are in Russian whatever is chosen."""


@bp.before_request
def seat() -> Response | None:
    """Put the signed-in person's desk into the request; refuse changes asked for by foreign pages."""
    if request.endpoint == "ui.static":
        return None
    here = portal()
    g.desk = seated(here)
    if request.method not in ("GET", "HEAD"):
        refuse_foreign_pages()
    elif request.host != here.host:
        return redirect(here.origin + request.full_path.rstrip("?"))
    return None


def refuse_foreign_pages() -> None:
    """403 unless the request comes from a page of this portal or from no page at all."""
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site", "none")
    if site not in ("same-origin", "none") or (origin is not None and origin != portal().origin):
        abort(403, "Изменения принимаются только со страниц самого портала.")


def seated(here: Any) -> Desk:
    """The desk of the person named by the cookie; of the first administrator without a valid one."""
    with here.transaction() as db:
        keeper = first_administrator(db)
        chosen = request.cookies.get(COOKIE, "")
        known = chosen.isascii() and chosen.isdigit() and len(chosen) < 10 and is_active(db, int(chosen))
    return Desk(here, int(chosen) if known else keeper, keeper)


def first_administrator(db: sqlite3.Connection) -> int:
    """Id of the active administrator with the smallest id; 1 on a portal that lost them all."""
    row = db.execute("SELECT min(id) AS id FROM users WHERE active = 1 AND admin = 1").fetchone()
    return int(row["id"] or 1)


def is_active(db: sqlite3.Connection, user_id: int) -> bool:
    """Whether the colleague exists and has not been dismissed."""
    row = db.execute("SELECT active FROM users WHERE id = ?", (user_id,)).fetchone()
    return row is not None and bool(row["active"])


def language() -> str:
    """The language chosen at the foot of the page: what applications are told, and their titles are taken from."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    return chosen if chosen in LANGUAGES else "ru"


@bp.context_processor
def languages() -> dict[str, Any]:
    """For the choice at the foot of every page."""
    return {"languages": LANGUAGES, "language": language()}


@bp.post("/sandbox/language")
def choose_language() -> Response:
    """Choose the language applications are told (form field ``language``) and go back to ``back``."""
    chosen = request.form.get("language", "")
    if chosen not in LANGUAGES:
        abort(400, "Такого языка портал не предлагает.")
    answer = redirect(own_path(request.form.get("back", "/")))
    answer.set_cookie(LANGUAGE_COOKIE, chosen, httponly=True, samesite="Lax", max_age=30 * 24 * 3600)
    return answer


@bp.post("/sandbox/sign-in")
def sign_in() -> Response:
    """Sit down at a colleague's desk (form field ``user_id``) and go back to ``back``."""
    raw = request.form.get("user_id", "")
    with portal().transaction() as db:
        if not (raw.isascii() and raw.isdigit() and len(raw) < 10 and is_active(db, int(raw))):
            abort(400, "Такого сотрудника нет, или он уволен.")
    answer = redirect(own_path(request.form.get("back", "/")))
    answer.set_cookie(COOKIE, raw, httponly=True, samesite="Lax", max_age=30 * 24 * 3600)
    return answer


def own_path(path: str) -> str:
    """The path if it stays on this portal, else the start page."""
    parts = urlsplit(path)
    inside = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.netloc
    return path if inside else "/"


@bp.after_request
def harden(answer: Response) -> Response:
    """Portal pages run only the portal's own scripts and may be framed only by the portal (its sliders)."""
    answer.headers.setdefault("X-Content-Type-Options", "nosniff")
    if request.endpoint != "ui.static":
        answer.headers.setdefault("Cache-Control", "no-store")
        answer.headers.setdefault("Referrer-Policy", "same-origin")
        answer.headers.setdefault(
            "Content-Security-Policy",
            "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
            "frame-src *; form-action *; frame-ancestors 'self'; base-uri 'none'; object-src 'none'",
        )
    return answer


@bp.errorhandler(RestError)
def refused(error: RestError) -> Any:
    """What a REST method refused, as JSON for scripts and as a page for people."""
    status = error.status if 400 <= error.status < 500 else 400
    text = error.description or str(error.code)
    if request.is_json:
        return {"message": text}, status
    return render_template("message.html", title="Не получилось", text=text), status


@bp.errorhandler(404)
@bp.errorhandler(403)
@bp.errorhandler(400)
def not_here(error: Any) -> Any:
    """The portal's own page for what is missing or not allowed."""
    if request.is_json:
        return {"message": error.description}, error.code
    if request.endpoint == "ui.static":
        return Response("Такого файла нет.", error.code)
    titles = {404: "Здесь ничего нет", 403: "Нельзя", 400: "Неверный запрос"}
    return render_template("message.html", title=titles[error.code], text=error.description), error.code


@bp.errorhandler(OverflowError)
def no_such_number(_error: OverflowError) -> Any:
    """A number in an address or a form that no id of the state can have."""
    text = "Такого номера не бывает."
    if request.is_json:
        return {"message": text}, 404
    return render_template("message.html", title="Здесь ничего нет", text=text), 404
