"""Reading and writing request data the way PHP does, since the portal's clients rely on it.

``a[b][]=1&a[b][]=2`` is ``{"a": {"b": ["1", "2"]}}``; a map whose keys are 0, 1, 2 … in order is a list; an
empty
array is ``[]`` in an answer and disappears from a form. Keys are strings everywhere.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl, quote_plus

MAX_DEPTH = 64
MAX_FIELDS = 20_000


class TooMuchInput(ValueError):
    """More fields than the portal's PHP would read."""


def decode_form(text: str) -> dict[str, Any]:
    """A query string or urlencoded body as PHP would fill ``$_GET`` or ``$_POST``.

    Raises:
        TooMuchInput: above 20 000 fields.
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="replace")
    except ValueError as error:
        raise TooMuchInput(str(error)) from error
    return nest(pairs)


def nest(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Flat pairs with bracketed names as nested maps and lists."""
    root: dict[str, Any] = {}
    for name, value in pairs:
        path = _path(name)
        if path:
            _put(root, path, value)
    listed = as_php(root)
    return listed if isinstance(listed, dict) else {str(index): one for index, one in enumerate(listed)}


def _path(name: str) -> list[str]:
    """``a[b][]`` → ``["a", "b", ""]``; a name without a closing bracket is taken literally, as in PHP."""
    name = name.lstrip(" ")
    head, bracket, rest = name.partition("[")
    if not head:
        return []
    path = [head.replace(".", "_").replace(" ", "_")]
    while bracket and "]" in rest:
        key, _, rest = rest.partition("]")
        path.append(key)
        if not rest.startswith("["):
            break
        rest = rest[1:]
    else:
        if bracket and len(path) == 1:
            path[0] = name.replace(".", "_").replace(" ", "_").replace("[", "_")
    return path if len(path) <= MAX_DEPTH else []


def _put(node: dict[str, Any], path: list[str], value: Any) -> None:
    for step in path[:-1]:
        key = _next_index(node) if step == "" else step
        child = node.get(key)
        if not isinstance(child, dict):
            child = node[key] = {}
        node = child
    last = path[-1]
    node[_next_index(node) if last == "" else last] = value


def _next_index(node: dict[str, Any]) -> str:
    return str(1 + max((int(key) for key in node if key.isdigit()), default=-1))


def as_php(value: Any) -> Any:
    """A decoded body as PHP would hold it, on every level.

    Maps with keys 0, 1, 2 … in order become lists, lone surrogates question marks, integers beyond 64 bits
    floats.

    Raises:
        ValueError: a number too large for anything.
    """
    if isinstance(value, dict):
        inner = {_text(str(key)): as_php(one) for key, one in value.items()}
        return list(inner.values()) if inner and _is_list(inner) else inner
    if isinstance(value, list):
        return [as_php(one) for one in value]
    if isinstance(value, str):
        return _text(value)
    return _number(value) if isinstance(value, int | float) else value


def _text(value: str) -> str:
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def _number(value: float) -> float:
    if -(2**63) <= value < 2**63:
        return value
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _is_list(node: dict[Any, Any]) -> bool:
    return all(str(key) == str(index) for index, key in enumerate(node))


def whole(value: Any, default: int = 0) -> int:
    """A parameter as PHP's ``(int)`` reads it, within 64 bits; ``default`` for what is no number."""
    text = str(value if value is not None else "").strip()
    if not re.fullmatch(r"[+-]?[0-9]{1,40}", text):
        return default
    return max(-(2**63), min(int(text), 2**63 - 1))


def as_json_array(node: dict[str, Any]) -> Any:
    """What ``json_encode`` makes of a PHP array: ``[]`` when empty, a list when the keys count from 0."""
    return list(node.values()) if _is_list(node) else node


def encode_json(value: Any) -> bytes:
    """JSON with the portal's habits: slashes escaped, everything beyond ASCII as ``\\uXXXX``."""
    return json.dumps(value, separators=(",", ":")).replace("/", "\\/").encode()


def encode_form(fields: dict[str, Any]) -> str:
    """``http_build_query``: brackets encoded, empty arrays and nulls left out, booleans as 1 and 0."""
    return "&".join(f"{quote_plus(name)}={quote_plus(text)}" for name, text in _flatten(fields, ""))


def _flatten(node: Any, prefix: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _flatten(value, f"{prefix}[{key}]" if prefix else str(key))
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            yield from _flatten(value, f"{prefix}[{index}]")
    elif isinstance(node, bool):
        yield prefix, "1" if node else "0"
    elif node is not None:
        yield prefix, str(node)
