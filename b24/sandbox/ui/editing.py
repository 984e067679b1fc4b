"""What people change on a card: one field at a time, a new item, a comment, a to-do, removal."""

from __future__ import annotations

import base64
from typing import Any

from flask import abort, redirect, render_template, request
from werkzeug.wrappers import Response

from b24.sandbox.crm.objects import WITH_COMMUNICATIONS
from b24.sandbox.crm.values import is_empty
from b24.sandbox.ui.cards import read_item
from b24.sandbox.ui.contacting import typed_communications
from b24.sandbox.ui.desk import desk
from b24.sandbox.ui.fields import Shown, choices, editor_of, shown, typed_in
from b24.sandbox.ui.site import bp
from b24.sandbox.ui.structure import Kind, fields, kind_at, required_names


def addressed() -> tuple[Kind, int]:
    """Type and id of the item a form of the card is about; 404 for an unknown type, 400 without an id."""
    kind = kind_at(None, request.form.get("type", 0, int))
    item_id = request.form.get("id", 0, int)
    if item_id < 1:
        abort(400, "Не сказано, какая карточка.")
    return kind, item_id


def typed(kind: Kind, name: str, item: dict[str, Any]) -> Any:
    """The value of a field as ``crm.item.update`` takes it, from the form's values of that name."""
    about = fields(kind).get(name)
    if about is None or about.get("isReadOnly"):
        abort(400, "Это поле на карточке не меняют.")
    editor = editor_of(about, choices(kind, name, about, item))
    if not editor:
        abort(400, "Это поле на карточке не меняют.")
    if editor == "file":
        return uploaded(name, item.get(name), multiple=bool(about.get("isMultiple")))
    return typed_in(about, editor, request.form.getlist(f"value:{name}"))


def uploaded(name: str, before: Any, *, multiple: bool) -> Any:
    """Chosen files as ``crm.item.update`` takes them: added to those of a multiple field, in place of a single one.

    Without a chosen file the field stays as it is; ``clear:FIELD`` empties it.
    """
    sent = [one for one in request.files.getlist(f"value:{name}") if one.filename]
    new = [[one.filename, base64.b64encode(one.read()).decode()] for one in sent]
    kept = before if isinstance(before, list) else [before]
    ids = [{"id": one["id"]} for one in kept if isinstance(one, dict) and "id" in one]
    if request.form.get(f"clear:{name}") == "1":
        ids = []
    if multiple:
        return [*ids, *new]
    return new[0] if new else (ids[0] if ids else "")


@bp.post("/sandbox/ui/field")
def save_field() -> str:
    """Save one field and answer with its new look as a piece of HTML."""
    kind, item_id = addressed()
    name = request.form.get("name", "")
    item = read_item(kind, item_id)
    value = typed(kind, name, item)
    if is_empty(value) and name in required_names(kind, item.get("stageId")):
        abort(400, "На этой стадии поле обязательно.")
    desk().call("crm.item.update", entityTypeId=kind.entity_type_id, id=item_id, fields={name: value})
    fresh = read_item(kind, item_id)
    field: Shown = shown(kind, name, fields(kind)[name], fresh)
    return render_template("_field.html", kind=kind, item=fresh, field=field)


@bp.post("/sandbox/ui/communications")
def save_communications() -> Response:
    """Save all phones and addresses of a card at once."""
    kind, item_id = addressed()
    if kind.entity_type_id in WITH_COMMUNICATIONS:
        place = {"entityTypeId": kind.entity_type_id, "id": item_id}
        desk().call("crm.item.update", **place, fields={"fm": typed_communications()})
    return back_to_card(kind, item_id)


@bp.post("/sandbox/ui/item")
def add_item() -> Response:
    """Make a new item from the form of its fields and open its card."""
    kind = kind_at(None, request.form.get("type", 0, int))
    item = {"categoryId": request.form.get("category_id", 0, int)}
    sent = [*request.form, *request.files]
    names = [key.removeprefix("value:") for key in sent if key.startswith("value:")]
    values = {name: typed(kind, name, item) for name in dict.fromkeys(names)}
    filled: dict[str, Any] = {name: value for name, value in values.items() if value not in ("", [])}
    if "categoryId" in fields(kind):
        filled["categoryId"] = item["categoryId"]
    if kind.entity_type_id in WITH_COMMUNICATIONS:
        filled["fm"] = list(typed_communications().values())
    made = desk().call("crm.item.add", entityTypeId=kind.entity_type_id, fields=filled)["item"]
    slider = "?IFRAME=Y&IFRAME_TYPE=SIDE_SLIDER" if request.form.get("slider") == "Y" else ""
    return redirect(kind.details(made["id"]) + slider)


@bp.post("/sandbox/ui/delete")
def delete_item() -> Response:
    """Move an item to the recycle bin and go back to its kanban or list."""
    kind, item_id = addressed()
    desk().call("crm.item.delete", entityTypeId=kind.entity_type_id, id=item_id)
    return redirect("/sandbox/ui/closed?IFRAME=Y" if request.form.get("slider") == "Y" else kind.home, 303)


@bp.get("/sandbox/ui/closed")
def closed() -> str:
    """A page that closes the slider it stands in."""
    return render_template("closed.html")


@bp.post("/sandbox/ui/comment")
def add_comment() -> Response:
    """Write a comment into the timeline."""
    kind, item_id = addressed()
    text = request.form.get("text", "").strip()
    if not text:
        abort(400, "Комментарий пустой.")
    values = {"ENTITY_ID": item_id, "ENTITY_TYPE": kind.timeline_type, "COMMENT": text}
    desk().call("crm.timeline.comment.add", fields=values)
    return back_to_card(kind, item_id)


@bp.post("/sandbox/ui/comment/<any(change, delete):action>")
def change_comment(action: str) -> Response:
    """Write a comment (``comment_id``) anew or delete it."""
    kind, item_id = addressed()
    comment_id, text = request.form.get("comment_id", 0, int), request.form.get("text", "").strip()
    owner = {"ownerTypeId": kind.entity_type_id, "ownerId": item_id}
    if action == "delete":
        desk().call("crm.timeline.comment.delete", id=comment_id, **owner)
    elif not text:
        abort(400, "Комментарий пустой.")
    else:
        desk().call("crm.timeline.comment.update", id=comment_id, fields={"COMMENT": text}, **owner)
    return back_to_card(kind, item_id)


@bp.post("/sandbox/ui/todo")
def add_todo() -> Response:
    """Plan a to-do with a deadline."""
    kind, item_id = addressed()
    deadline = request.form.get("deadline", "").strip()
    text = request.form.get("text", "").strip()
    if not deadline or not text:
        abort(400, "У дела должны быть текст и срок.")
    desk().call(
        "crm.activity.todo.add",
        ownerTypeId=kind.entity_type_id,
        ownerId=item_id,
        deadline=deadline,
        title=text,
        description=text,
    )
    return back_to_card(kind, item_id)


@bp.post("/sandbox/ui/todo/done")
def finish_todo() -> Response:
    """Tick a to-do off."""
    kind, item_id = addressed()
    activity_id = request.form.get("activity_id", 0, int)
    desk().call("crm.activity.update", id=activity_id, fields={"COMPLETED": "Y"})
    return back_to_card(kind, item_id)


def back_to_card(kind: Kind, item_id: int) -> Response:
    """The card again, in a slider if it stood in one."""
    slider = "?IFRAME=Y&IFRAME_TYPE=SIDE_SLIDER" if request.form.get("slider") == "Y" else ""
    return redirect(kind.details(item_id) + slider, 303)
