"""Submissions of CRM forms nobody could place are looked at again when an administrator names their event."""

from __future__ import annotations

from b24 import errors
from b24.store import marks
from smart_process import portal_choices
from smart_process.store import settings_page as store
from smart_process.sync.work import Work, all_unread


def look_again(work: Work) -> int:
    """Mark the cards of mapped forms that are no participation of ours yet."""
    claimed = work.claim(store.FORMS, limit=1)
    if not claimed:
        return 0
    forms = [int(one) for one in work.settings.form_events]
    try:
        found = portal_choices.submissions(work.client, work.binding, forms) if forms else []
    except errors.B24Error as error:
        all_unread(work, claimed, error)
        return 1
    eti = work.binding.participation.entity_type_id
    with work.service.store.transaction() as tx:
        placed = store.placed(tx, work.portal_id, [one.item_id for one in found])
        keys = [f"{eti}:{one.item_id}" for one in found if one.item_id not in placed]
        marks.mark(tx, work.portal_id, "pull", keys, now=work.now())
        marks.done(tx, claimed)
    return 1
