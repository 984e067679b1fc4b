"""Two cards of one guest that the portal would not merge: what the second has and the first lacks goes over to it,
where both say something different a comment keeps the second's words, and the second goes to the recycle bin.

What the app fills itself is not asked for: the journal says it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smart_process.language import translator
from smart_process.schema import TYPES
from smart_process.sync.work import Work

Item = Mapping[str, Any]
OURS = frozenset(spec.name for spec in TYPES["participation"].fields if spec.by_app)
LONGEST = 300
"""Letters of one value in the comment."""


@dataclass(frozen=True)
class Pair:
    """What becomes of two cards: values for the empty fields of the first, and by title what the second said else."""

    lacking: Mapping[str, Any]
    otherwise: Mapping[str, str]


def read(work: Work, pairs: Mapping[str, tuple[int, int]]) -> dict[str, Pair]:
    """Compare cards by their ids, the one that stays first; keys are the caller's.

    A second card that is gone says nothing; pairs whose first is gone are left out.
    Source: crm/universal/crm-item-fields.

    Raises:
        B24Error: they could not be read.
    """
    eti = work.binding.participation.entity_type_id
    fields = work.client.call("crm.item.fields", {"entityTypeId": eti})["fields"]
    app = {work.binding.participation.fields.get(name) for name in OURS}
    # Their own fields and where a visitor came from; the rest is the card's own business.
    asked = {
        name: spec
        for name, spec in fields.items()
        if name.lower().startswith(("ufcrm", "utm")) and name not in app and not spec.get("isReadOnly")
    }
    ids = sorted({one for pair in pairs.values() for one in pair})
    page = {"filter": {"@id": ids}, "select": ["id", *asked], "start": -1}
    items = work.client.call("crm.item.list", {"entityTypeId": eti, **page})["items"]
    shown = {int(item["id"]): item for item in items}
    return {
        key: _compare(work, asked, shown[first], shown.get(second, {}))
        for key, (first, second) in pairs.items()
        if first in shown
    }


def _compare(work: Work, fields: Mapping[str, Mapping[str, Any]], first: Item, second: Item) -> Pair:
    lacking: dict[str, Any] = {}
    otherwise: dict[str, str] = {}
    for name, spec in fields.items():
        mine, theirs = first.get(name), second.get(name)
        if _empty(theirs, spec) or mine == theirs:
            continue
        file = spec.get("type") == "file"
        if spec.get("isMultiple") and not file:
            had = list(mine or [])
            if more := [one for one in theirs or [] if one not in had]:
                lacking[name] = [*had, *more]
        elif _empty(mine, spec) and not file:
            lacking[name] = theirs
        else:
            otherwise[str(spec.get("title") or name)] = _words(work, theirs, spec)
    return Pair(lacking, otherwise)


def _empty(value: Any, spec: Mapping[str, Any]) -> bool:
    if spec.get("type") == "boolean":
        return value in (None, "", False, "N", 0, "0")
    return value in (None, "", [], {}, 0, "0")


def _words(work: Work, value: Any, spec: Mapping[str, Any]) -> str:
    _ = translator(work.settings.language)
    if spec.get("type") == "boolean":
        return str(_("да"))
    if spec.get("type") == "file":
        return str(_("файл – в корзине, в удалённой карточке"))
    names = {str(one.get("ID")): str(one.get("VALUE")) for one in spec.get("items") or []}
    some = value if isinstance(value, list) else [value]
    return ", ".join(names.get(str(one), str(one)) for one in some)[:LONGEST]


def comment(work: Work, surplus: int, pair: Pair) -> str:
    """What the timeline of the card that stays says of the other."""
    _ = translator(work.settings.language)
    text = _("Повторная регистрация: карточка № %(number)s объединена с этой.", number=surplus)
    if not pair.otherwise:
        return str(text)
    said = "\n".join(f"{title}: {value}" for title, value in pair.otherwise.items())
    kept = _("Где их значения расходились, остались значения этой карточки. В той было:")
    return f"{text} {kept}\n{said}"


def write(work: Work, first: int, pair: Pair) -> tuple[str, Mapping[str, Any]] | None:
    """The command that fills the first card's empty fields."""
    if not pair.lacking:
        return None
    eti = work.binding.participation.entity_type_id
    return "crm.item.update", {"entityTypeId": eti, "id": first, "fields": dict(pair.lacking)}
