"""Mails the portal sends (:mod:`smart_process.crm_mail`): each once, looked up when the portal did not answer.

A mail that left stays "on its way", and its mark remembers that a call was made, until an answer or a look-up says
more:

- answered: sent;
- turned down: the record the portal may have kept is removed from the card, then the mail has failed, or is held while
  somebody has to set something up;
- no answer: once the portal is certainly through, no record means that it never left, so it is sent again; a record
  means that it possibly did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from b24 import errors
from b24.answers import Answer
from b24.store import marks
from b24.store.engine import Tx
from b24.store.marks import Mark
from smart_process import crm_mail
from smart_process.crm_mail import CrmLetter
from smart_process.messages import NoContactYet, NothingToSay, compose_for_crm
from smart_process.provision import problems
from smart_process.refusals import plain
from smart_process.store import messages as store
from smart_process.sync.work import LEASE_LOST, Work, all_unread, failed, unread

AT_ONCE = 8
"""The other steps wait some five seconds for these: the documented add took 0.6 s (crm-activity-add, ``duration``)."""
LOOK_AGAIN = timedelta(minutes=15)
"""How often a mail looks whether its guest has a contact by now; whoever gets one hurries it (identities.follow)."""
IN_THE_CARD = "портал не ответил, но письмо есть в карточке контакта"


def send(work: Work, claimed: Sequence[Mark]) -> None:
    """Have the portal send marked mails of guests it has a contact for; the others wait for theirs."""
    letters = {mark: letter for mark in claimed if (letter := _letter(work, mark)) is not None}
    if not letters:
        return
    now, sent = work.now(), list(letters)
    commands = {mark.key: crm_mail.add(letter, now) for mark, letter in letters.items()}
    try:
        replies = work.client.batch(commands, write=True, before_send=work.leaving(sent, also=_note(sent)))
    except errors.B24Error as error:
        _none_answered(work, sent, error)
        return
    with work.service.store.transaction() as tx:
        for mark in sent:
            _settle(tx, work, mark, replies[mark.key])


def _letter(work: Work, mark: Mark) -> CrmLetter | None:
    message_id, now = int(mark.key), work.now()
    with work.service.store.transaction() as tx:
        if store.by_id(tx, message_id).state != store.WAITING:
            marks.done(tx, [mark])
            return None
        try:
            return compose_for_crm(tx, message_id, public_url=work.service.public_url, now=now)
        except NothingToSay as reason:
            store.failed(tx, message_id, str(reason))
            marks.done(tx, [mark])
        except NoContactYet:
            # Another mark: waiting for a decision is no failure, and nothing is overdue.
            marks.done(tx, [mark])
            marks.mark(tx, work.portal_id, store.SEND, [message_id], now=now, due_at=now + LOOK_AGAIN)
        return None


class _Changed(errors.Unavailable):
    """A mail was taken back, or forgotten, between composing and leaving."""


def _note(sent: Sequence[Mark]) -> Callable[[Tx], None]:
    def note(tx: Tx) -> None:
        if not all(store.leaving(tx, int(mark.key)) for mark in sent):
            raise _Changed("CHANGED", "a mail is not to be sent any more")

    return note


def _settle(tx: Tx, work: Work, mark: Mark, reply: Answer | errors.B24Error) -> None:
    message_id, now = int(mark.key), work.now()
    if not isinstance(reply, errors.B24Error):
        store.delivered(tx, message_id, now=now)
        marks.done(tx, [mark])
    elif isinstance(reply, errors.Rejected):
        store.turned_down(tx, message_id, plain(reply.description or reply.code))
        marks.retry(tx, mark, at=now, error=str(reply), counts=False)
    else:
        _not_sent(tx, work, mark, reply)


def _not_sent(tx: Tx, work: Work, mark: Mark, error: errors.B24Error) -> None:
    """No usable answer keeps a mail on its way, as does another worker; any other error says that it did not leave."""
    now = work.now()
    left = isinstance(error, errors.Ambiguous) or error.code == LEASE_LOST
    if not left and store.by_id(tx, int(mark.key)).state == store.SENDING:
        store.back(tx, int(mark.key), plain(error.description or error.code))
    failed(tx, mark, error, now=now, certain_at=work.certain_at(now))


def _none_answered(work: Work, sent: Sequence[Mark], error: errors.B24Error) -> None:
    with work.service.store.transaction() as tx:
        for mark in sent:
            _not_sent(tx, work, mark, error)


# ------------------------------------------------------------------------ what left before


def look_up(work: Work, some: Sequence[Mark]) -> None:
    """Find out what became of mails whose call had left."""
    if not some:
        return
    with work.service.store.reading() as tx:
        mails = {mark: store.by_id(tx, int(mark.key)) for mark in some}
    try:
        rows = work.read({"found": crm_mail.find([mail.message_id for mail in mails.values()])})["found"]
    except errors.B24Error as error:
        all_unread(work, some, error)
        return
    records = crm_mail.found(rows)
    left = {mark: records[mail.message_id] for mark, mail in mails.items() if mail.message_id in records}
    refused = [mark for mark, mail in mails.items() if mail.state == store.SENDING and mail.error]
    _clear(work, {mark: left[mark] for mark in refused if mark in left})
    now = work.now()
    with work.service.store.transaction() as tx:
        for mark, mail in mails.items():
            if mark in refused:
                if mark not in left:
                    _conclude(tx, work, mark, mail.error)
            elif mail.state == store.SENDING and mark in left:
                store.delivered(tx, mail.id, now=now, possibly=True, reason=IN_THE_CARD)
                marks.done(tx, [mark])
            else:
                if mail.state == store.SENDING:
                    store.back(tx, mail.id, "")
                marks.answered(tx, mark)


def _clear(work: Work, records: Mapping[Mark, int]) -> None:
    """Remove records of mails that were not sent."""
    if not records:
        return
    try:
        replies = work.client.batch(
            {mark.key: crm_mail.delete(number) for mark, number in records.items()}, write=True
        )
    except errors.B24Error as error:
        all_unread(work, records, error)
        return
    with work.service.store.transaction() as tx:
        for mark in records:
            reply = replies[mark.key]
            if isinstance(reply, errors.B24Error) and not isinstance(reply, errors.Rejected):
                unread(tx, mark, reply, now=work.now())
            else:
                # What may not be removed stays in the card; the reason stands with the mail all the same.
                _conclude(tx, work, mark, store.by_id(tx, int(mark.key)).error)


def _conclude(tx: Tx, work: Work, mark: Mark, reason: str) -> None:
    if crm_mail.needs_setup(reason):
        store.back(tx, int(mark.key), reason)
        marks.answered(tx, mark)
        if work.still_set(tx):
            error = f"{problems.NO_SENDER}: {reason}"
            marks.hold(tx, mark, reason="setup", error=error, now=work.now())
    else:
        store.failed(tx, int(mark.key), reason)
        marks.done(tx, [mark])
