"""Texts the portal shows with BB codes: tasks, to-dos, comments, notifications. Pure.

Guests type names, companies and notes; in square brackets these would become links of a stranger, mentions of
colleagues or pictures fetched from elsewhere. Our own texts use no codes, so no bracket is lost.

Source: api-reference/crm/timeline/comments/crm-timeline-comment-add.md, api-reference/chats/messages/index.md.
"""

from __future__ import annotations

_ROUND = str.maketrans("[]", "()")


def without_codes(text: str) -> str:
    """The text with round brackets instead of square ones, so that nothing in it is a code."""
    return text.translate(_ROUND)
