"""Mails leave here, through a mail server or the portal: each sent or certainly not, never twice by itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from b24.store import marks
from b24.store.marks import Mark
from smart_process.mailer import Later, Mailer, Possibly, Refused, Result, SetupWrong, Unreachable, mailer_for
from smart_process.messages import NothingToSay, compose
from smart_process.people import wire_address
from smart_process.settings import CRM
from smart_process.store import messages as store
from smart_process.sync import crm_mailing
from smart_process.sync.work import Work, later

TURN_S = 5.0
"""A slow mail server does not keep the CRM waiting: so long at a time, then the other steps have their turn."""


def send(work: Work) -> int:
    """Send marked mails."""
    claimed = work.claim(store.SEND, limit=crm_mailing.AT_ONCE if work.settings.mail_way == CRM else 50)
    if not claimed:
        return 0
    # The portal may have some of them in hand, whatever way they would leave by now.
    crm_mailing.look_up(work, [one for one in claimed if one.sent_at])
    fresh = [one for one in claimed if not one.sent_at]
    with work.service.store.transaction() as tx:
        # Under the lease nobody else is sending: what is still "on its way" was cut by a kill.
        store.interrupted(tx, work.portal_id, now=work.now())
    if work.settings.mail_way == CRM:
        crm_mailing.send(work, fresh)
    elif fresh:
        _through_server(work, fresh)
    return len(claimed)


def _through_server(work: Work, claimed: Sequence[Mark]) -> None:
    try:
        with mailer_for(work.settings.smtp, work.service.secrets, local=work.service.local_smtp) as mailer:
            _send(work, mailer, claimed)
    except SetupWrong as wrong:
        _put_off(work, claimed, held=str(wrong))
    except Unreachable as away:
        _put_off(work, claimed, error=str(away))


def _send(work: Work, mailer: Mailer, claimed: Sequence[Mark]) -> None:
    until = work.now() + timedelta(seconds=TURN_S)
    for one in claimed:
        if work.now() > until or not work.going():
            break
        _send_one(work, mailer, one)


def _send_one(work: Work, mailer: Mailer, one: Mark) -> None:
    message_id = int(one.key)
    with work.service.store.transaction() as tx:
        if not work.hold(tx) or not store.leaving(tx, message_id):
            marks.done(tx, [one])
            return
        try:
            mail = compose(tx, message_id, public_url=work.service.public_url, now=work.now())
        except NothingToSay as reason:
            store.failed(tx, message_id, str(reason))
            marks.done(tx, [one])
            return
        to = wire_address(store.by_id(tx, message_id).to_address)
    try:
        result = mailer.send(mail, to)
    except (SetupWrong, Unreachable) as error:
        with work.service.store.transaction() as tx:
            store.back(tx, message_id, str(error))
        raise
    _settle(work, one, message_id, result)


def _settle(work: Work, one: Mark, message_id: int, result: Result) -> None:
    now = work.now()
    with work.service.store.transaction() as tx:
        if isinstance(result, Later):
            store.back(tx, message_id, result.reason)
            marks.retry(tx, one, at=later(one, now), error=result.reason)
            return
        if isinstance(result, Refused):
            store.failed(tx, message_id, result.reason)
        elif isinstance(result, Possibly):
            store.delivered(tx, message_id, now=now, possibly=True, reason=result.reason)
        else:
            store.delivered(tx, message_id, now=now)
        marks.done(tx, [one])


def _put_off(work: Work, claimed: Sequence[Mark], *, held: str = "", error: str = "") -> None:
    now = work.now()
    with work.service.store.transaction() as tx:
        for one in claimed:
            if store.by_id(tx, int(one.key)).state != store.WAITING:
                continue
            if held and work.still_set(tx):
                marks.hold(tx, one, reason="setup", error=held, now=now)
            else:
                marks.retry(tx, one, at=later(one, now), error=held or error)
