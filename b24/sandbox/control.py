"""Control calls under ``/sandbox/``: they exist only in the sandbox, for tests, tools and demonstrations.

Answers are JSON; problems are ``{"error": text}`` with a 4xx. Requests from foreign pages are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from werkzeug.wrappers import Request, Response

from b24.sandbox import access, apps, events, mail, oauth, php, users
from b24.sandbox.dispatch import Dispatcher
from b24.sandbox.faults import BadPlan
from b24.sandbox.kernel import RestError
from b24.sandbox.portal import LocalPortal

Handler = TypeVar("Handler", bound=Callable[["Control", Request, dict[str, Any]], Any])
ROUTES: list[tuple[str, re.Pattern[str], Callable[..., Any]]] = []


CLOCK_RANGE = timedelta(days=20 * 365)


class Problem(Exception):
    """A control call that cannot be done; the text goes to the caller."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


def route(methods: str, pattern: str) -> Callable[[Handler], Handler]:
    """Register a control call; ``<n>`` in the pattern is a number, ``<word>`` a name without slashes."""
    full = pattern.replace("<n>", r"(?P<id>\d{1,12})").replace("<word>", r"(?P<word>[\w.-]+)")

    def add(handler: Handler) -> Handler:
        ROUTES.extend((name, re.compile(f"/sandbox/{full}/?"), handler) for name in methods.split())
        return handler

    return add


class Control:
    """Answers control calls of one portal."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher
        self.portal = dispatcher.portal

    def answer(self, request: Request) -> Response | None:
        """The answer, or ``None`` when the address is no control call (a page of the web UI may have it)."""
        matches = [(one, match, run) for one, rule, run in ROUTES if (match := rule.fullmatch(request.path))]
        if not matches:
            return None
        found = next((entry for entry in matches if entry[0] == request.method), None)
        if found is None:
            return None if request.method in {"GET", "HEAD"} else _json({"error": "method not allowed"}, 405)
        if self._foreign(request):
            return _json({"error": "control calls are refused to foreign pages"}, 403)
        return self._run(request, found[2], found[1].groupdict())

    def _foreign(self, request: Request) -> bool:
        origin = request.headers.get("Origin")
        site = request.headers.get("Sec-Fetch-Site", "none")
        return (origin is not None and origin != self.portal.origin) or site not in {"none", "same-origin"}

    def _run(self, request: Request, handler: Callable[..., Any], place: dict[str, str]) -> Response:
        try:
            body = handler(self, request, place)
        except Problem as problem:
            return _json({"error": str(problem)}, problem.status)
        except (RestError, BadPlan) as error:
            return _json({"error": str(error)}, 400)
        return _json(body, 200)


def _json(body: Any, status: int) -> Response:
    return Response(
        php.encode_json(body),
        status,
        {"Cache-Control": "no-store"},
        content_type="application/json; charset=utf-8",
    )


def read(request: Request) -> dict[str, Any]:
    """Body (JSON or form) over query, PHP style."""
    from b24.sandbox.web import read_body

    return php.decode_form(request.query_string.decode("latin-1")) | read_body(request)


def _number(params: dict[str, Any], name: str, default: int | None = None) -> int:
    text = str(params.get(name, "" if default is None else default)).strip()
    if not (text.isascii() and text.isdigit() and len(text) < 13):
        raise Problem(f"{name} must be a number")
    return int(text)


def _truth(value: Any) -> bool:
    return str(value).lower() in {"1", "y", "yes", "true"}


@route("GET", "access")
def get_access(control: Control, _request: Request, _place: dict[str, Any]) -> dict[str, str]:
    """Fresh credentials: a webhook and tokens of the installed test application, for the administrator."""
    portal = control.portal
    with portal.transaction():
        app = test_app(control)
        code = access.add_webhook(portal, app.installer_user, apps.ALL_SCOPES)
        pair = oauth.issue(portal, app.id, app.installer_user)
    return {
        "webhook_url": f"{portal.rest_url}{app.installer_user}/{code}/", "rest_url": portal.rest_url,
        "token_url": f"{portal.origin}/oauth/token/", "client_id": app.client_id,
        "client_secret": app.client_secret, "access_token": pair.access, "refresh_token": pair.refresh,
        "expire_url": f"{portal.origin}/sandbox/expire",
    }  # fmt: skip


def test_app(control: Control) -> apps.App:
    """The installed application behind ``GET access``; made when somebody first asks (or removed it)."""
    portal = control.portal
    known = apps.find_by_client(portal, portal.get("test_app", ""))
    if known is not None:
        return known
    admin = (
        portal.db.execute("SELECT MIN(id) AS id FROM users WHERE admin = 1 AND active = 1").fetchone()["id"]
        or 1
    )
    home = f"{portal.origin}/sandbox/test-application"
    app = apps.register(
        portal, title="Тестовое приложение", handler_url=home, user_id=admin, interface=True, installed=True
    )
    portal.put("test_app", app.client_id)
    return app


@route("GET POST", "test-application")
def home_of_test_app(_control: Control, _request: Request, _place: dict[str, Any]) -> dict[str, str]:
    """The page of the test application; it has none."""
    return {"application": "test"}


@route("POST", "expire")
def expire(control: Control, request: Request, _place: dict[str, Any]) -> dict[str, bool]:
    """Make ``access_token`` answer ``expired_token``."""
    token = read(request).get("access_token")
    if not isinstance(token, str) or not oauth.expire(control.portal, token):
        raise Problem("unknown access_token", 404)
    return {"expired": True}


@route("GET", "apps")
def list_apps(control: Control, _request: Request, _place: dict[str, Any]) -> list[dict[str, Any]]:
    """Applications with ``member_id``, ``application_token``, handlers; ``installed`` tells if they are."""
    with control.portal.transaction():
        return [apps.describe(control.portal, app) for app in apps.every(control.portal)]


@route("POST", "apps")
def add_app(control: Control, request: Request, _place: dict[str, Any]) -> dict[str, Any]:
    """Register an application: ``title``, ``handler_url``, ``installer_url``, ``scopes``, ``interface``."""
    params = read(request)
    handler = events.check_handler(str(params.get("handler_url") or ""))
    given = params.get("scopes") or apps.ALL_SCOPES
    scopes = (
        [one.strip() for one in given.split(",")] if isinstance(given, str) else [str(one) for one in given]
    )
    with control.portal.transaction():
        app = apps.register(
            control.portal,
            title=str(params.get("title") or "Локальное приложение")[:200],
            handler_url=handler,
            installer_url=str(params.get("installer_url") or ""),
            scopes=[one for one in scopes if one],
            user_id=_number(params, "user_id", 1),
            interface=_truth(params.get("interface", "1")),
        )
        return apps.describe(control.portal, app) | {"client_secret": app.client_secret}


def _app(control: Control, place: dict[str, Any]) -> apps.App:
    app = apps.find(control.portal, int(place["id"]))
    if app is None:
        raise Problem("no such application", 404)
    return app


@route("POST", "apps/<n>/open")
def open_app(control: Control, request: Request, place: dict[str, Any]) -> dict[str, Any]:
    """What a browser would post to open the application: ``user_id``, ``placement``, ``options``, ``url``."""
    params = read(request)
    options = params.get("options")
    with control.portal.transaction():
        opened = apps.page_request(
            control.portal,
            _app(control, place),
            _number(params, "user_id", 1),
            placement=str(params.get("placement") or "DEFAULT"),
            options={str(key): str(one) for key, one in options.items()}
            if isinstance(options, dict)
            else None,
            url=str(params["url"]) if params.get("url") else None,
        )
    return {"url": opened.url, "fields": opened.fields}


@route("POST", "apps/<n>/install-finish")
def install_finish(control: Control, request: Request, place: dict[str, Any]) -> dict[str, bool]:
    """What ``BX24.installFinish()`` does, for an installer without a browser; ``access_token`` says who."""
    token = str(read(request).get("access_token") or "")
    with control.portal.transaction():
        app = _app(control, place)
        caller = access.by_token(control.portal, token)
        if caller.app_id != app.id or not caller.is_admin:
            raise Problem("the token is not an administrator's for this application", 403)
        return {"finished": apps.finish_install(control.portal, app.id, caller.user_id)}


@route("POST", "uninstall")
def uninstall(control: Control, request: Request, _place: dict[str, Any]) -> dict[str, bool]:
    """Remove an application named by ``client_id`` or ``app_id``; ``clean`` is the administrator's choice."""
    params = read(request)
    with control.portal.transaction():
        app = apps.find_by_client(control.portal, str(params.get("client_id") or ""))
        app_id = app.id if app else _number(params, "app_id", 0)
        if not apps.uninstall(control.portal, app_id, clean=_truth(params.get("clean", "0"))):
            raise Problem("no such application", 404)
    return {"uninstalled": True}


@route("GET", "faults")
def get_faults(control: Control, _request: Request, _place: dict[str, Any]) -> dict[str, Any]:
    """The plan of faults, what has struck, and all kinds there are."""
    return control.dispatcher.faults.shown()


@route("POST", "faults")
def set_faults(control: Control, request: Request, _place: dict[str, Any]) -> dict[str, Any]:
    """Replace the plan: ``{"seed": 7, "5xx": 0.1, "methods": […], "times": {…}, "slow_s": 2}``."""
    wanted = read(request)
    control.dispatcher.faults.plan(wanted)
    return control.dispatcher.faults.shown()


@route("DELETE", "faults")
def clear_faults(control: Control, _request: Request, _place: dict[str, Any]) -> dict[str, Any]:
    """Behave again."""
    control.dispatcher.faults.plan({})
    return control.dispatcher.faults.shown()


@route("GET", "clock")
def get_clock(control: Control, _request: Request, _place: dict[str, Any]) -> dict[str, Any]:
    """Portal time and how far it is ahead of the machine's."""
    return {"now": control.portal.now().isoformat(), "offset_s": control.portal.clock_offset.total_seconds()}


@route("POST", "clock")
def set_clock(control: Control, request: Request, place: dict[str, Any]) -> dict[str, Any]:
    """Move the clock: ``advance_s``, ``offset_s`` or ``now`` (RFC 3339); ``event_delay_s`` besides."""
    params = read(request)
    portal = control.portal
    try:
        offset = _offset(portal, params)
        delay = min(max(0.0, float(params.get("event_delay_s", portal.get("event_delay", 0.2)))), 3600.0)
    except (TypeError, ValueError, OverflowError) as error:
        raise Problem(f"not a time: {error}") from error
    if abs(offset) > CLOCK_RANGE:
        raise Problem("the clock cannot be that far away")
    with portal.transaction():
        portal.put("event_delay", delay)
        portal.shift_clock(offset)
    return get_clock(control, request, place)


def _offset(portal: LocalPortal, params: dict[str, Any]) -> timedelta:
    """How far ahead of the machine's clock the caller wants the portal's."""
    if "now" in params:
        wanted = datetime.fromisoformat(str(params["now"]))
        if wanted.tzinfo is None:
            raise Problem("now needs an offset from UTC")
        return wanted - portal.now() + portal.clock_offset
    if "offset_s" in params:
        return timedelta(seconds=float(params["offset_s"]))
    return portal.clock_offset + timedelta(seconds=float(params.get("advance_s", 0)))


@route("GET", "users")
def list_users(control: Control, _request: Request, _place: dict[str, Any]) -> list[dict[str, Any]]:
    """Everybody, dismissed people too."""
    with control.portal.transaction() as db:
        return [
            users.card(row) | {"ADMIN": bool(row["admin"])}
            for row in db.execute("SELECT * FROM users ORDER BY id")
        ]


@route("POST", "users")
def add_user(control: Control, request: Request, _place: dict[str, Any]) -> dict[str, Any]:
    """Make a colleague: ``name``, ``last_name``, ``email``, ``admin``, ``department``, ``position``."""
    params = read(request)
    with control.portal.transaction():
        user_id = users.add_user(
            control.portal,
            name=str(params.get("name") or "Новый"),
            last_name=str(params.get("last_name") or "Сотрудник"),
            email=str(params.get("email") or ""),
            departments=(_number(params, "department", 1),),
            admin=_truth(params.get("admin", "0")),
            position=str(params.get("position") or ""),
        )
        return _user_access(control, user_id)


def _user_access(control: Control, user_id: int) -> dict[str, Any]:
    """A colleague's id with a webhook and tokens of the test application in their name."""
    code = access.add_webhook(control.portal, user_id, apps.ALL_SCOPES)
    pair = oauth.issue(control.portal, test_app(control).id, user_id)
    return {
        "id": user_id, "webhook_url": f"{control.portal.rest_url}{user_id}/{code}/",
        "access_token": pair.access,
        "refresh_token": pair.refresh,
    }  # fmt: skip


def _user_id(control: Control, place: dict[str, Any]) -> int:
    user_id = int(place["id"])
    if control.portal.db.execute("SELECT 1 FROM users WHERE id = ?", (user_id,)).fetchone() is None:
        raise Problem("no such user", 404)
    return user_id


@route("POST", "users/<n>/access")
def user_access(control: Control, _request: Request, place: dict[str, Any]) -> dict[str, Any]:
    """A webhook and tokens in the name of any colleague."""
    with control.portal.transaction():
        return _user_access(control, _user_id(control, place))


@route("POST", "users/<n>/dismiss")
def dismiss(control: Control, _request: Request, place: dict[str, Any]) -> dict[str, bool]:
    """The colleague leaves: tokens, webhooks and refresh tokens stop working."""
    with control.portal.transaction():
        users.set_active(control.portal, _user_id(control, place), False)
    return {"active": False}


@route("POST", "users/<n>/restore")
def restore(control: Control, _request: Request, place: dict[str, Any]) -> dict[str, bool]:
    """The colleague is back."""
    with control.portal.transaction():
        users.set_active(control.portal, _user_id(control, place), True)
    return {"active": True}


@route("POST", "users/<n>/admin")
def make_admin(control: Control, request: Request, place: dict[str, Any]) -> dict[str, bool]:
    """Give (``admin=1``) or take (``admin=0``) administrator rights."""
    admin = _truth(read(request).get("admin", "1"))
    with control.portal.transaction() as db:
        db.execute("UPDATE users SET admin = ? WHERE id = ?", (int(admin), _user_id(control, place)))
    return {"admin": admin}


@route("POST", "limits/reset")
def reset_limits(control: Control, _request: Request, _place: dict[str, Any]) -> dict[str, bool]:
    """Empty the leaky buckets and forget the working time spent."""
    if control.dispatcher.bucket is not None:
        control.dispatcher.bucket.reset()
    control.dispatcher.budget.reset()
    return {"reset": True}


@route("POST", "limits/operating")
def spend_operating(control: Control, request: Request, _place: dict[str, Any]) -> dict[str, float]:
    """Pretend that the application ``client_id`` (the test one) spent ``seconds`` in ``method``."""
    params = read(request)
    portal, budget = control.portal, control.dispatcher.budget
    app = apps.find_by_client(portal, str(params.get("client_id") or portal.get("test_app", "")))
    if app is None:
        raise Problem("no such application", 404)
    name = str(params.get("method") or "").lower()
    budget.add(f"app {app.id}", name, float(_number(params, "seconds")), portal.timestamp())
    return {"operating": budget.spent(f"app {app.id}", name, portal.timestamp())}


@route("GET", "events")
def pending_events(control: Control, _request: Request, _place: dict[str, Any]) -> dict[str, int]:
    """How many online events wait to be sent."""
    with control.portal.transaction() as db:
        return {"pending": int(db.execute("SELECT COUNT(*) FROM event_queue").fetchone()[0])}


@route("POST", "forms/<n>/submit")
def submit_form(control: Control, request: Request, place: dict[str, Any]) -> dict[str, Any]:
    """Fill a CRM form as a guest would; the values are the form's fields by name."""
    import importlib

    forms = importlib.import_module("b24.sandbox.crm.forms")
    with control.portal.transaction():
        return {"result": forms.submit(control.portal, int(place["id"]), read(request))}


@route("GET", r"mail\.json")
def list_mail(control: Control, request: Request, _place: dict[str, Any]) -> list[dict[str, Any]]:
    """Messages newest first; ``?to=`` narrows to an address, ``?after=`` to later ones."""
    after = request.args.get("after", "0")
    return mail.listing(control.portal, to=request.args.get("to"), after=int(after) if after.isdigit() else 0)


@route("GET", r"mail/<n>\.json")
def read_mail(control: Control, _request: Request, place: dict[str, Any]) -> dict[str, Any]:
    """One message with text, HTML and attachments."""
    found = mail.read(control.portal, int(place["id"]))
    if found is None:
        raise Problem("no such message", 404)
    return found
