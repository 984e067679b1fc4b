"""The portal's merge page: several cards of one type become one, a person deciding where they contradict.

Source: crm/duplicates/crm-entity-merge-batch.md (manual merging in case of conflict).
"""

from __future__ import annotations

from typing import Any

from flask import abort, redirect, render_template, request
from werkzeug.wrappers import Response

from b24.sandbox.crm import duplicates, store
from b24.sandbox.crm.schema import read_schema
from b24.sandbox.crm.store import Item
from b24.sandbox.ui.cards import read_item
from b24.sandbox.ui.desk import desk
from b24.sandbox.ui.fields import shown
from b24.sandbox.ui.lists import communications
from b24.sandbox.ui.site import bp
from b24.sandbox.ui.structure import Kind, fields, item_title, kind_at

AT_MOST = 20


@bp.get("/crm/<any(lead, deal, contact, company):slug>/merge/")
@bp.get("/crm/type/<int:entity_type_id>/merge/")
def merge_page(slug: str | None = None, entity_type_id: int | None = None) -> str:
    """Cards side by side: ``?id=1,2,3`` or ``?id[]=1&id[]=2``; the first is the one that stays."""
    kind = kind_at(slug, entity_type_id)
    ids = asked_ids([*request.args.getlist("id"), *request.args.getlist("id[]")])
    cards = [read_item(kind, one) for one in ids]
    with desk().portal.transaction():
        items = stored(kind, ids)
        disputed = {field.name for field in duplicates.open_questions(items[0], items[1:])}
    return render_template(
        "merge.html",
        kind=kind,
        cards=[{"id": one["id"], "title": item_title(kind.entity_type_id, one)} for one in cards],
        rows=[compared(kind, name, cards, name in disputed) for name in differing(kind, cards)],
        told=[
            ", ".join([*communications(one, "PHONE"), *communications(one, "EMAIL")]) or "–" for one in cards
        ],
    )


def asked_ids(texts: list[str]) -> list[int]:
    """Numbers of the cards in their order; 400 for fewer than two or nonsense."""
    parts = [part.strip() for text in texts for part in text.split(",") if part.strip()]
    if not all(part.isascii() and part.isdigit() and len(part) < 13 for part in parts):
        abort(400, "Номера карточек – числа через запятую.")
    ids = list(dict.fromkeys(int(part) for part in parts))
    if not 2 <= len(ids) <= AT_MOST:
        abort(400, f"Для объединения нужны от двух до {AT_MOST} карточек.")
    return ids


def stored(kind: Kind, ids: list[int]) -> list[Item]:
    """The items as the portal keeps them; 404 for one that is gone."""
    db = desk().portal.db
    about = read_schema(db).type(kind.entity_type_id)
    items = [item for one in ids if (item := store.find(db, about, one)) is not None]
    if len(items) < len(ids):
        abort(404, "Одной из карточек больше нет.")
    return items


def differing(kind: Kind, cards: list[dict[str, Any]]) -> list[str]:
    """Fields people fill that are not the same on all cards."""
    about = fields(kind)
    writable = [name for name, one in about.items() if not one.get("isReadOnly") and name != "contactId"]
    return [
        name
        for name in writable
        if any(card.get(name) != cards[0].get(name) for card in cards)
        and any(card.get(name) for card in cards)
    ]


def compared(kind: Kind, name: str, cards: list[dict[str, Any]], disputed: bool) -> dict[str, Any]:
    """One field across all cards; a ``disputed`` one is decided by a person."""
    about = fields(kind)[name]
    cells = [shown(kind, name, about, card).parts for card in cards]
    upper = str(about.get("upperName") or name)
    return {"name": upper, "title": about.get("title") or name, "cells": cells, "disputed": disputed}


@bp.post("/sandbox/ui/merge")
def merge() -> Response:
    """Merge: ``type``, ``ids``, ``survivor`` and ``keep:FIELD`` = number of the card whose value stays."""
    here = desk()
    kind = kind_at(None, request.form.get("type", 0, int))
    ids = asked_ids([request.form.get("ids", "")])
    survivor = request.form.get("survivor", ids[0], int)
    if survivor not in ids:
        abort(400, "Главная карточка должна быть одной из объединяемых.")
    with here.portal.transaction():
        items = {item.id: item for item in stored(kind, ids)}
        others = [items[one] for one in ids if one != survivor]
        chosen = {
            key.removeprefix("keep:"): items[int(value)]
            for key, value in request.form.items()
            if key.startswith("keep:") and value.isdigit() and int(value) in items
        }
        known = items[survivor].kind.by_upper
        chosen = {upper: item for upper, item in chosen.items() if upper in known}
        duplicates.merge_by_hand(here.portal, here.user_id, items[survivor], others, chosen)
    return redirect(kind.details(survivor), 303)
