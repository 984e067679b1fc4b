"""One database, SQLite or PostgreSQL, behind short transactions.

Transactions open at the edge (request, drain step, command) and commit once; no REST call while one is open.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine

T = TypeVar("T")
Tx = Connection
"""An open transaction; everything below the edge takes one and never commits it."""
NOT_FOR_EVER = "idle_in_transaction_session_timeout=10s"
"""A process that is stopped or vanishes in the middle of a transaction must not keep its locks, for which the door
waits: PostgreSQL takes the transaction back."""
DatabaseAway = sa.exc.OperationalError
"""The database does not answer, is locked or full: nothing that was being done is at fault."""


class UtcTime(sa.types.TypeDecorator[datetime]):
    """An aware moment, kept in UTC with microseconds; a naive one is refused."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value!r}")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Store:
    """The database of one process.

    Args:
        url: ``sqlite:///path`` or ``postgresql://…``.
    """

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._mine = threading.local()
        # One writer at a time keeps SQLite's busy waits (and their long tail) out of the door's answers.
        self._writing: threading.Lock | _NoLock = threading.Lock() if self.is_sqlite else _NoLock()
        self._turns: deque[_Turn[Any]] = deque()

    @contextmanager
    def transaction(self) -> Iterator[Tx]:
        """A writing transaction: commits at the end, rolls back on an exception.

        Raises:
            RuntimeError: this thread has one open already: the two would wait for each other for ever. A REST
                call inside a transaction ends here too, because it reserves its rate slot.
        """
        self._refuse_second()
        with self._writing, self._begun() as tx:
            yield tx

    @contextmanager
    def _begun(self) -> Iterator[Tx]:
        with self.engine.begin() as tx:
            self._mine.open = True
            try:
                yield tx
            finally:
                self._mine.open = False

    def _refuse_second(self) -> None:
        if getattr(self._mine, "open", False):
            raise RuntimeError("a transaction is already open in this thread")

    def shared(self, work: Callable[[Tx], T]) -> T:
        """Like ``work`` in a :meth:`transaction` of its own. On SQLite all who wait at the same moment are written
        together and wait for the disk once; whose work fails leaves nothing, the others' stays.
        """
        if not self.is_sqlite:
            with self.transaction() as tx:
                return work(tx)
        self._refuse_second()
        turn = _Turn(work)
        self._turns.append(turn)
        with self._writing:
            if not turn.over:
                self._all_turns()
        return turn.outcome()

    def _all_turns(self) -> None:
        turns = [self._turns.popleft() for _ in range(len(self._turns))]
        try:
            with self._begun() as tx:
                for turn in turns:
                    turn.take(tx, alone=len(turns) == 1)
        except BaseException as error:  # noqa: BLE001 - it is theirs to raise, each of them
            # Nobody's work is on the disk.
            for turn in turns:
                turn.error = error
        for turn in turns:
            turn.over = True

    @contextmanager
    def reading(self) -> Iterator[Tx]:
        """A consistent reading view; writing in it is a mistake."""
        with self.engine.connect().execution_options(readonly=True) as tx:
            yield tx
            tx.rollback()

    def close(self) -> None:
        """Close all pooled connections."""
        self.engine.dispose()


def insert(tx: Tx, table: sa.Table) -> Any:
    """An INSERT of the dialect in use that knows ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
    return insert_of(tx.dialect.name, table)


def insert_of(dialect: str, table: sa.Table) -> Any:
    """Like :func:`insert`, for statements that are built once and kept."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def execute_all(tx: Tx, statement: sa.Executable, rows: Sequence[Mapping[str, Any]]) -> None:
    """Run a statement for every row. One row goes the short way, which costs the drivers half as much."""
    if rows:
        tx.execute(statement, rows[0] if len(rows) == 1 else rows)


class _Turn(Generic[T]):
    """Work that waits to be written together with others', in the context of who brought it."""

    def __init__(self, work: Callable[[Tx], T]) -> None:
        self._work, self._context = work, copy_context()
        self._result: T | None = None
        self.error: BaseException | None = None
        self.over = False

    def take(self, tx: Tx, *, alone: bool) -> None:
        if alone:
            self._result = self._work(tx)
            return
        tx.exec_driver_sql("SAVEPOINT turn")
        try:
            self._result = self._context.run(self._work, tx)
        except Exception as error:  # noqa: BLE001 - raised to who brought the work
            self.error = error
            tx.exec_driver_sql("ROLLBACK TO turn")
        tx.exec_driver_sql("RELEASE turn")

    def outcome(self) -> T:
        if self.error is not None:
            raise self.error
        return cast(T, self._result)


class _NoLock:
    def __enter__(self) -> None: ...
    def __exit__(self, *exc: object) -> None: ...


def _engine(url: str) -> Engine:
    made = sa.make_url(url)
    if made.get_backend_name() != "sqlite":
        made = made.set(drivername="postgresql+psycopg")
        return _postgres(made)
    engine = sa.create_engine(
        made,
        connect_args={"timeout": 10, "isolation_level": None, "check_same_thread": False},
        hide_parameters=True,
    )

    @sa.event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        # FULL, not NORMAL: what was acknowledged survives a power cut (design 4.1).
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # IMMEDIATE, or a read upgraded to a write fails at once with "database is locked".
        reading = connection.get_execution_options().get("readonly")
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _postgres(made: sa.URL) -> Engine:
    engine = sa.create_engine(
        made,
        pool_pre_ping=True,
        pool_size=10,
        max_overflow=20,
        # A server that is gone is said so at once, not after the minutes TCP takes.
        connect_args={"connect_timeout": 5, "options": f"-c {NOT_FOR_EVER}"},
        # Names and tokens do not belong into error messages.
        hide_parameters=True,
    )

    @sa.event.listens_for(engine, "handle_error")
    def _slept(context: sa.engine.ExceptionContext) -> None:
        # The server took the transaction back (NOT_FOR_EVER); the driver files that under its own mistakes.
        if getattr(context.original_exception, "sqlstate", None) == "25P03":
            context.is_disconnect = True
            raise DatabaseAway(context.statement, None, context.original_exception)

    return engine
