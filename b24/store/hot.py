"""Statements that are run so often that the work SQLAlchemy does for each run counts.

Written like any other, compiled once per dialect; each run only converts the values and hands them to the driver. For
one set of values: many go faster the usual way.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from b24.store.engine import Tx


class Hot:
    """A statement kept compiled.

    Args:
        make: builds it for a dialect (``sqlite`` or ``postgresql``).
        values: columns an INSERT or an UPDATE sets by name.
    """

    def __init__(self, make: Callable[[str], Any], values: Sequence[str] = ()) -> None:
        self._make, self._values = make, tuple(values)
        self._compiled: dict[str, _Compiled] = {}

    def run(self, tx: Tx, params: Mapping[str, Any]) -> list[Any]:
        """Execute it; answers its rows with their columns as attributes, none for a statement without."""
        name = tx.dialect.name
        known = self._compiled.get(name)
        if known is None:
            known = self._compiled[name] = _Compiled(tx, self._make(name), self._values)
        return known.run(tx, params)


class _Compiled:
    def __init__(self, tx: Tx, statement: Any, values: Sequence[str]) -> None:
        compiled = statement.compile(dialect=tx.dialect, column_keys=list(values) or None)
        self._text = str(compiled)
        self._by_position = bool(compiled.positiontup)
        binds = {name: bind for bind, name in compiled.bind_names.items()}
        self._binds = [
            (
                name,
                compiled.params[name],
                binds[name].type.dialect_impl(tx.dialect).bind_processor(tx.dialect),
            )
            for name in compiled.positiontup or binds
        ]
        columns = list(getattr(statement, "exported_columns", ()))
        self._types = [column.type for column in columns]
        self._row: Any = namedtuple("row", [column.key for column in columns]) if columns else None
        self._converters: list[tuple[int, Callable[[Any], Any]]] | None = None

    def run(self, tx: Tx, params: Mapping[str, Any]) -> list[Any]:
        given = {}
        for name, default, convert in self._binds:
            value = params.get(name, default)
            given[name] = convert(value) if convert else value
        cursor = tx.connection.cursor()
        try:
            cursor.execute(self._text, tuple(given.values()) if self._by_position else given)
            rows, described = (cursor.fetchall(), cursor.description) if self._row else ((), ())
        except tx.dialect.loaded_dbapi.Error as error:
            # What SQLAlchemy does with every error of a driver: named after what it means, the connection given up.
            tx._handle_dbapi_exception(error, self._text, None, cursor, None)
        finally:
            cursor.close()
        if self._converters is None and self._row:
            self._converters = self._converters_of(tx, described)
        return [self._named(list(row)) for row in rows]

    def _converters_of(self, tx: Tx, described: Any) -> list[tuple[int, Callable[[Any], Any]]]:
        converters = [
            kind.dialect_impl(tx.dialect).result_processor(tx.dialect, told[1])
            for kind, told in zip(self._types, described, strict=True)
        ]
        return [(at, convert) for at, convert in enumerate(converters) if convert]

    def _named(self, values: list[Any]) -> Any:
        for at, convert in self._converters or ():
            values[at] = convert(values[at])
        return self._row._make(values)
