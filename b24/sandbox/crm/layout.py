"""Checks what an application wants shown in a timeline: ``LayoutDto`` and the parts it is made of.

Source: crm/timeline/activities/configurable/structure/*.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from b24.sandbox.crm.params import mapping, text
from b24.sandbox.kernel import RestError

TAG_TYPES = frozenset({"success", "failure", "warning", "primary", "secondary"})
BUTTON_TYPES = frozenset({"primary", "secondary"})
BLOCK_TYPES = frozenset({"text", "largeText", "link", "withTitle", "lineOfBlocks", "deadline"})
ACTION_TYPES = frozenset({"redirect", "restEvent", "openRestApp"})
_KEY = re.compile(r"[A-Za-z0-9_-]+")
MAX_SIDE_BY_SIDE = 2

Check = Callable[[Any], None]


def check_layout(value: Any) -> dict[str, Any]:
    """The layout as given, when it is one.

    Raises:
        RestError: ``ERROR_EMPTY_LAYOUT``, ``FIELD_IS_REQUIRED``, ``FIELD_IS_REDUNDANT``, ``ENUM_FIELD``,
            ``TOO_MANY_ITEMS``, ``KEY_CONTAIN_WRONG_SYMBOLS``.
    """
    layout = mapping(value)
    if not layout:
        raise RestError("ERROR_EMPTY_LAYOUT", "The layout field must be filled")
    _part("LayoutDto", layout, {"icon": _icon, "header": _header, "body": _body}, {"footer": _footer})
    return layout


def check_blocks(value: Any) -> dict[str, Any]:
    """``RestAppLayoutDto``: blocks added to a foreign entry."""
    layout = mapping(value)
    if not mapping(layout.get("blocks")):
        raise RestError("FIELD_IS_REQUIRED", "Field 'blocks' in RestAppLayoutDto is required")
    _blocks(layout["blocks"])
    return layout


def _anything(_value: Any) -> None:
    """A value of any shape."""


def _part(owner: str, given: dict[str, Any], needed: dict[str, Check], further: dict[str, Check]) -> None:
    for name in needed:
        if given.get(name) in (None, "", [], {}):
            raise RestError("FIELD_IS_REQUIRED", f"Field '{name}' in {owner} is required")
    known = needed | further
    for name, value in given.items():
        if name not in known:
            raise RestError("FIELD_IS_REDUNDANT", f"Field '{name}' in {owner} is redundant")
        if value is not None:
            known[name](value)


def _one_of(name: str, owner: str, allowed: frozenset[str]) -> Check:
    def check(value: Any) -> None:
        if text(value) not in allowed:
            choices = ", ".join(sorted(allowed))
            raise RestError("ENUM_FIELD", f"Field '{name}' in {owner} must be one of: {choices}")

    return check


def _each(owner: str, check: Check, limit: int | None = None) -> Check:
    def run(value: Any) -> None:
        rows = mapping(value)
        if limit is not None and len(rows) > limit:
            raise RestError("TOO_MANY_ITEMS", f"{owner} can contain no more than {limit} items")
        for key, row in rows.items():
            if not _KEY.fullmatch(key):
                raise RestError("KEY_CONTAIN_WRONG_SYMBOLS", f"Key '{key}' in {owner} contains wrong symbols")
            check(row)

    return run


def _icon(value: Any) -> None:
    _part("IconDto", mapping(value), {"code": _anything}, {})


def _header(value: Any) -> None:
    tags = _each("tags", _tag, MAX_SIDE_BY_SIDE)
    _part("HeaderDto", mapping(value), {"title": _anything}, {"titleAction": _action, "tags": tags})


def _tag(value: Any) -> None:
    kind = _one_of("type", "TagDto", TAG_TYPES)
    _part("TagDto", mapping(value), {"title": _anything, "type": kind}, {"action": _action} | _VISIBILITY)


def _body(value: Any) -> None:
    _part("BodyDto", mapping(value), {"logo": _logo}, {"blocks": _blocks})


def _logo(value: Any) -> None:
    _part("LogoDto", mapping(value), {"code": _anything}, {"action": _action})


def _blocks(value: Any) -> None:
    _each("blocks", _block)(value)


def _block(value: Any) -> None:
    kind = _one_of("type", "ContentBlockDto", BLOCK_TYPES)
    _part("ContentBlockDto", mapping(value), {"type": kind}, {"properties": _anything})


def _footer(value: Any) -> None:
    buttons = _each("buttons", _button, MAX_SIDE_BY_SIDE)
    _part("FooterDto", mapping(value), {}, {"buttons": buttons, "menu": _menu})


def _button(value: Any) -> None:
    kind = _one_of("type", "FooterButtonDto", BUTTON_TYPES)
    needed: dict[str, Check] = {"title": _anything, "type": kind, "action": _action}
    _part("FooterButtonDto", mapping(value), needed, _VISIBILITY)


def _menu(value: Any) -> None:
    names = ("showPinItem", "showPostponeItem", "showDeleteItem")
    _part(
        "FooterMenuDto",
        mapping(value),
        {},
        dict.fromkeys(names, _anything) | {"items": _each("items", _menu_item)},
    )


def _menu_item(value: Any) -> None:
    _part("MenuItemDto", mapping(value), {"title": _anything, "action": _action}, _VISIBILITY)


def _action(value: Any) -> None:
    names = ("uri", "id", "actionParams", "animationType", "sliderParams")
    kind = _one_of("type", "ActionDto", ACTION_TYPES)
    _part("ActionDto", mapping(value), {"type": kind}, dict.fromkeys(names, _anything))


_VISIBILITY: dict[str, Check] = {"scope": _anything, "hideIfReadonly": _anything}
