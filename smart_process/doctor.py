"""``python app.py doctor``: what the main page tells administrators, for whoever runs the app, about all portals."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from b24 import portals
from b24.store import marks
from b24.store.engine import Store
from b24.store.migrate import current, head
from smart_process import checkup
from smart_process.language import LANGUAGES, Translator, translator
from smart_process.service import Service
from smart_process.settings import CRM, NO_WAY, SMTP
from smart_process.store import setups

HEALTHY, ILL = 0, 1
_MAIL_WAYS = {
    CRM: "письма уходят через CRM",
    SMTP: "письма уходят через почтовый сервер",
    NO_WAY: "письма не уходят",
}
_STATES = {
    portals.ACTIVE: "работает",
    portals.PAUSED: "приостановлен",
    portals.UNINSTALLED: "приложение удалено",
}


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """What the command was asked."""
    parser = argparse.ArgumentParser(
        prog="app.py doctor",
        description="Looks at the database and, with the app's own rights, into every portal; changes nothing. "
        "The environment is that of serve. Exit code 0: all in order, 1: something needs a person, 2: not set up.",
    )
    parser.add_argument("--portal", help="member_id of the only portal to look at")
    parser.add_argument("--lang", choices=LANGUAGES, default="ru", help="language of the findings")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")
    return parser.parse_args(argv)


def database_problem(store: Store, _: Translator) -> str:
    """Why the database cannot be looked at, in words; "" when it can. It is not upgraded here."""
    with store.reading() as tx:
        found = current(tx)
    if found is None:
        return _("База данных пуста: приложение ещё не запускали.")
    if found != head():
        return _("База данных другой версии (%(found)s), чем приложение: запустите serve.", found=found)
    return ""


def run(service: Service, asked: argparse.Namespace, write: Callable[[str], object]) -> int:
    """Check the portals and print what was found; the exit code."""
    _ = translator(asked.lang)
    reports = [_report(service, one, _) for one in _portals(service, asked.portal)]
    healthy = not any(one["findings"] for one in reports) and not (asked.portal and not reports)
    if asked.json:
        write(json.dumps({"healthy": healthy, "portals": reports}, ensure_ascii=False, indent=1) + "\n")
    else:
        write("".join(_lines(reports, _)) or _("Портал не найден: приложение в него не установлено.") + "\n")
    return HEALTHY if healthy else ILL


def fail(asked: argparse.Namespace, text: str, write: Callable[[str], object]) -> int:
    """Say what stands in the way of looking at all."""
    write(
        json.dumps({"healthy": False, "problem": text}, ensure_ascii=False) + "\n"
        if asked.json
        else text + "\n"
    )
    return ILL


def _portals(service: Service, member_id: str | None) -> list[int]:
    with service.store.reading() as tx:
        if member_id is None:
            return portals.all_ids(tx)
        found = portals.by_member(tx, service.secrets, member_id)
        return [found.id] if found else []


def _report(service: Service, portal_id: int, _: Translator) -> dict[str, Any]:
    found = checkup.check(service, portal_id)
    with service.store.reading() as tx:
        # After the check: it may have been the one that noticed that access was lost.
        portal = portals.by_id(tx, service.secrets, portal_id)
        waiting = marks.waiting(tx, portal_id)
        mail = setups.read(tx, portal_id).settings.mail_way
    if portal is None:
        raise LookupError(f"portal {portal_id} vanished")
    return {
        "member_id": portal.member_id,
        "portal": portal.origin,
        "state": portal.state,
        "waiting": waiting,
        "mail": mail,
        "findings": [{"key": one.key, "text": one.words(_), "action": one.action} for one in found],
    }


def _lines(reports: Sequence[Mapping[str, Any]], _: Translator) -> list[str]:
    lines = []
    for one in reports:
        state = _(_STATES.get(one["state"], one["state"]))
        waiting = _("в очереди: %(n)s", n=one["waiting"])
        way = _MAIL_WAYS[one["mail"]]
        lines.append(f"{one['portal']} ({one['member_id']}): {state}, {waiting}, {_(way)}\n")
        lines += [f"  – {finding['text']}\n" for finding in one["findings"]]
        if not one["findings"] and one["state"] == portals.ACTIVE:
            lines.append(f"  {_('Всё в порядке.')}\n")
    return lines or [_("Приложение не установлено ни в один портал.") + "\n"]
