"""The portal's schema brought up to date without a person: after an update of the app, or when something is missing."""

from __future__ import annotations

from b24.store import marks
from smart_process.provision import renewal
from smart_process.sync.work import Work, later


def schema(work: Work) -> int:
    """Renew types, fields, placements and events when somebody noticed that they may be out of date."""
    claimed = work.claim(renewal.MARK, limit=1)
    if not claimed:
        return 0
    problem = renewal.renew(work.service, work.portal_id).problem
    with work.service.store.transaction() as tx:
        for one in claimed:
            if problem is None:
                marks.done(tx, [one])
            else:
                marks.retry(tx, one, at=later(one, work.now()), error=problem.ru)
    return len(claimed)
