"""Control calls about the world around: faults, the clock, limits, waiting events, CRM forms, the mailbox."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from werkzeug.wrappers import Request

from b24.sandbox import apps, mail, restrictions
from b24.sandbox.control import Control, Problem, number, read, route
from b24.sandbox.crm import emails, forms
from b24.sandbox.portal import LocalPortal

CLOCK_RANGE = timedelta(days=20 * 365)


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


@route("POST", "restrictions")
def restrict(control: Control, request: Request, _place: dict[str, Any]) -> dict[str, list[str]]:
    """Set what the plan does not allow: ``{"names": ["item_add"]}``; none lifts all."""
    wanted = read(request).get("names") or []
    names = [str(each) for each in wanted] if isinstance(wanted, list) else [str(wanted)]
    with control.portal.transaction():
        try:
            restrictions.impose(control.portal, names)
        except ValueError as error:
            raise Problem(str(error)) from error
    return {"names": names}


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
    budget.add(f"app {app.id}", name, float(number(params, "seconds")), portal.timestamp())
    return {"operating": budget.spent(f"app {app.id}", name, portal.timestamp())}


@route("GET", "events")
def pending_events(control: Control, _request: Request, _place: dict[str, Any]) -> dict[str, int]:
    """How many online events wait to be sent."""
    with control.portal.transaction() as db:
        return {"pending": int(db.execute("SELECT COUNT(*) FROM event_queue").fetchone()[0])}


@route("POST", "forms")
def add_form(control: Control, request: Request, _place: dict[str, Any]) -> dict[str, int]:
    """Make a CRM form, as an administrator does in the form editor; the body is its definition."""
    wanted = read(request)
    with control.portal.transaction():
        return {"id": forms.create(control.portal, wanted)}


@route("GET", "forms")
def list_forms(control: Control, _request: Request, _place: dict[str, Any]) -> list[dict[str, Any]]:
    """CRM forms with their fields."""
    with control.portal.transaction() as db:
        return [asdict(form) for form in forms.listing_of(db)]


@route("POST", "forms/<n>/submit")
def submit_form(control: Control, request: Request, place: dict[str, Any]) -> dict[str, Any]:
    """Fill a CRM form as a guest would: values by field name, ``utm_source`` … beside them."""
    values = read(request)
    with control.portal.transaction():
        return forms.submit(control.portal, int(place["id"]), values)


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


@route("POST", "mailboxes")
def connect_mailbox(control: Control, request: Request, _place: dict[str, Any]) -> dict[str, Any]:
    """Connect a mailbox to the CRM: ``email`` of the colleague ``user_id``, or of the whole CRM; "" takes it away."""
    params = read(request)
    user_id, email = number(params, "user_id", emails.SHARED), str(params.get("email") or "")
    with control.portal.transaction() as db:
        emails.connect(db, user_id, email)
    return {"user_id": user_id, "email": email}


@route("POST", "rename")
def rename(control: Control, request: Request, _place: dict[str, Any]) -> dict[str, str]:
    """Give the portal its other loopback name (``host``: ``localhost`` or ``127.0.0.1``) until a restart."""
    host = str(read(request).get("host") or "localhost")
    if host not in {"localhost", "127.0.0.1"}:
        raise Problem("host must be localhost or 127.0.0.1")
    portal = control.portal
    portal.origin = f"http://{host}:{portal.host.rpartition(':')[2]}"
    portal.renamed = True
    return {"portal": portal.origin}
