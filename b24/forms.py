"""Form bodies of a portal, which is PHP: ``auth[member_id]=…`` becomes nested maps. Bounded and strict. Pure.

Everything here is read before anybody is authenticated: depth, number and length are limited, a key that is a
text and a map at once or comes twice with different values is refused, never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from b24.errors import Malformed

MAX_BYTES = 256 * 1024
MAX_FIELDS = 1000
MAX_DEPTH = 8
MAX_KEY = 200


def parse_form(raw: bytes) -> dict[str, Any]:
    """A query string or urlencoded body as nested maps of texts; lists are maps with keys ``0``, ``1`` …

    Raises:
        Malformed: too long, too many, too deep, contradictory, or holding NUL characters.
    """
    if len(raw) > MAX_BYTES:
        raise Malformed("TOO_LONG", "the body is too long")
    if raw.count(b"&") >= MAX_FIELDS:
        raise Malformed("TOO_MANY", "too many fields")
    root: dict[str, Any] = {}
    text = raw.decode("utf-8", errors="replace")
    for name, value in parse_qsl(text, keep_blank_values=True, errors="replace"):
        if "\0" in name or "\0" in value:
            raise Malformed("NUL", "a NUL character in a field")
        path = _path(name)
        if path:
            _put(root, path, value)
    return root


def text_at(form: Mapping[str, Any], *path: str, longest: int = 2000) -> str:
    """The text under a path of keys; ``""`` when it is absent or not a text.

    Raises:
        Malformed: longer than any genuine value.
    """
    node: Any = form
    for key in path:
        node = node.get(key) if isinstance(node, Mapping) else None
    if not isinstance(node, str):
        return ""
    if len(node) > longest:
        raise Malformed("TOO_LONG", f"{path[-1]} is too long")
    return node


def number_of(text: Any) -> int | None:
    """A positive id written in digits; ``None`` for ``""``, ``"0"``, ``undefined`` and everything else."""
    if isinstance(text, int) and not isinstance(text, bool):
        return text if 0 < text < 10**15 else None
    if not isinstance(text, str) or not (text.isascii() and text.isdigit() and len(text) <= 15):
        return None
    return int(text) or None


def _path(name: str) -> list[str]:
    if len(name) > MAX_KEY:
        raise Malformed("LONG_KEY", "a field name is too long")
    head, bracket, rest = name.strip().partition("[")
    if not bracket or not head or not rest.endswith("]"):
        return [name.strip()] if name.strip() else []
    path = [head, *rest[:-1].split("][")]
    if len(path) > MAX_DEPTH:
        raise Malformed("TOO_DEEP", "fields are nested too deep")
    return path


def _put(root: dict[str, Any], path: list[str], value: str) -> None:
    node = root
    for key in path[:-1]:
        node = node.setdefault(_key(node, key), {})
        if not isinstance(node, dict):
            raise Malformed("CONTRADICTION", "a field is a text and a map at once")
    key = _key(node, path[-1])
    if node.setdefault(key, value) != value:
        raise Malformed("CONTRADICTION", "a field comes twice with different values")


def _key(node: dict[str, Any], key: str) -> str:
    return key or str(sum(1 for known in node if known.isdecimal()))
