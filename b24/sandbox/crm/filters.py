"""Filters and orders of list methods as SQL: prefixes, arrays, nested groups with ``logic``.

Source: crm/universal/crm-item-list.md. Negations include empty values, as the portal's query builder does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from b24.sandbox.crm.params import listing, mapping, text
from b24.sandbox.kernel import RestError

#: Longer prefixes first: ``!=%`` is not ``!=``.
PREFIXES = ("!=%", "!%=", "!@", "!=", "!%", ">=", "<=", "=%", "%=", "!", ">", "<", "@", "%", "=")
_COMPARISONS = {">": ">", "<": "<", ">=": ">=", "<=": "<="}
_MAX_DEPTH, _MAX_CONDITIONS = 12, 1000


@dataclass(frozen=True)
class Column:
    """What a filter name stands for.

    ``sql`` is the compared expression. For a value kept in another table or out of many, ``exists`` is the
    query around it (``EXISTS (SELECT 1 FROM … WHERE … AND {})``) and ``sort_sql`` what an order uses instead;
    without it such a column cannot be sorted by. ``convert`` turns a filter value into the stored form and
    raises ``ValueError`` for nonsense. ``rare`` values are worth their index.
    """

    sql: str
    convert: Callable[[Any], Any] = text
    kind: str = "text"
    exists: str | None = None
    sort_sql: str | None = None
    rare: bool = False

    @property
    def order(self) -> str | None:
        """The expression an order uses, ``None`` when there is none."""
        return self.sort_sql if self.exists else self.sql


Resolver = Callable[[str], Column | None]


def resolver(columns: Mapping[str, Column]) -> Resolver:
    """A resolver over a fixed set of names."""
    return columns.get


class _Compiler:
    def __init__(self, resolve: Resolver, *, ignore_unknown: bool) -> None:
        self.resolve = resolve
        self.ignore_unknown = ignore_unknown
        self.values: list[Any] = []
        self.count = 0

    def group(self, filter_: dict[str, Any], depth: int) -> str:
        if depth > _MAX_DEPTH:
            raise RestError("INVALID_ARG_VALUE", "Invalid filter: too deep")
        either = text(filter_.get("logic")).upper() == "OR"
        parts = []
        for key, value in filter_.items():
            if key == "logic":
                continue
            part = self.nested(value, depth) if key.isdigit() else self.condition(key, value)
            if part:
                parts.append(part)
        return f"({(' OR ' if either else ' AND ').join(parts)})" if parts else ""

    def nested(self, value: Any, depth: int) -> str:
        return self.group(mapping(value), depth + 1) if isinstance(value, dict | list) else ""

    def condition(self, key: str, value: Any) -> str:
        self.count += 1
        if self.count > _MAX_CONDITIONS:
            raise RestError("INVALID_ARG_VALUE", "Invalid filter: too many conditions")
        prefix = next((each for each in PREFIXES if key.startswith(each)), "")
        name = key[len(prefix) :]
        column = self.resolve(name)
        if column is None:
            if self.ignore_unknown:
                return ""
            raise RestError("INVALID_ARG_VALUE", f"Invalid filter: field '{name}' is not allowed in filter")
        try:
            return self.compare(column, prefix, value)
        except (ValueError, OverflowError):
            raise RestError(
                "INVALID_ARG_VALUE", f"Invalid filter: field '{name}' has invalid value"
            ) from None

    def compare(self, column: Column, prefix: str, value: Any) -> str:
        negative = prefix.startswith("!")
        if column.exists and self.asks_for_none(column, prefix, value):
            filled = column.exists.format("1")
            return filled if negative else f"NOT {filled}"
        if "%" in prefix:
            bare = self.like(column, value, loose=prefix in ("%", "!%"))
        elif prefix in _COMPARISONS:
            bare = self.ordered(column, _COMPARISONS[prefix], value)
        else:
            bare = self.equal(column, value)
            if column.rare:
                bare = f"likelihood({bare}, 0.00001)"
        if column.exists:
            bare = column.exists.format(bare)
        return f"NOT coalesce({bare}, 0)" if negative else bare

    @staticmethod
    def asks_for_none(column: Column, prefix: str, value: Any) -> bool:
        """Whether a condition on a value out of many asks for items that have none."""
        if "%" in prefix or prefix in _COMPARISONS or isinstance(value, list | dict):
            return False
        return column.convert(value) in (None, "", 0)

    def equal(self, column: Column, value: Any) -> str:
        wanted = [column.convert(each) for each in listing(value)] if isinstance(value, list | dict) else None
        if wanted is not None:
            if not wanted:
                return "0"
            blank = any(each in (None, "", 0) for each in wanted)
            self.values += [each for each in wanted if each is not None]
            marks = ", ".join("?" for each in wanted if each is not None)
            inside = f"{column.sql}{self.collation(column)} IN ({marks})"
            return f"({inside} OR {column.sql} IS NULL)" if blank else inside
        one = column.convert(value)
        if one in (None, "", 0):
            empty = "''" if column.kind == "text" else "0"
            return f"({column.sql} IS NULL OR {column.sql} = {empty})"
        self.values.append(one)
        return f"{column.sql} = ?{self.collation(column)}"

    @staticmethod
    def collation(column: Column) -> str:
        # columns with rare values are declared case-insensitive; an operator would hide their index
        return " COLLATE NOCASE" if column.kind == "text" and not column.rare else ""

    def ordered(self, column: Column, sign: str, value: Any) -> str:
        one = column.convert(value)
        if one is None:
            one = "" if column.kind == "text" else 0
        self.values.append(one)
        return f"{column.sql} {sign} ?"

    def like(self, column: Column, value: Any, *, loose: bool) -> str:
        patterns = listing(value) or [""]
        parts = []
        for each in patterns:
            wanted = text(each).casefold()
            self.values.append(f"%{_escaped(wanted)}%" if loose else wanted)
            escape = " ESCAPE '\\'" if loose else ""
            parts.append(f"casefold(CAST({column.sql} AS TEXT)) LIKE ?{escape}")
        return f"({' OR '.join(parts)})"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def where(filter_: Any, resolve: Resolver, *, ignore_unknown: bool = False) -> tuple[str, list[Any]]:
    """SQL condition and parameters of a filter; an empty one is ``1``.

    Raises:
        RestError: ``INVALID_ARG_VALUE`` for an unknown field or a value that cannot be compared.
    """
    compiler = _Compiler(resolve, ignore_unknown=ignore_unknown)
    sql = compiler.group(mapping(filter_), 0)
    return sql or "1", compiler.values


def order_by(order: Any, resolve: Resolver, *, default: Iterable[str], ignore_unknown: bool = False) -> str:
    """SQL order of ``{"field": "ASC"}``.

    Raises:
        RestError: ``INVALID_ARG_VALUE`` for an unknown field or direction.
    """
    parts = []
    for name, direction in mapping(order).items():
        column = resolve(name)
        if column is None or column.order is None:
            if ignore_unknown:
                continue
            raise RestError("INVALID_ARG_VALUE", f"Invalid order: field '{name}' is not allowed in order")
        sign = text(direction).upper()
        if sign not in ("ASC", "DESC"):
            raise RestError(
                "INVALID_ARG_VALUE",
                f"Invalid order: allowed sort directions are ASC, DESC. But got '{text(direction)}' for field"
                f" '{name}'",
            )
        parts.append(f"{column.order} {sign}")
    return ", ".join(parts) if parts else ", ".join(default)
