"""The running portal: its state in SQLite, its clock, its transactions and the events it owes to
applications.

One connection guarded by one re-entrant lock. Whatever changes the portal – a REST call, a command of a
batch, a
control call, an action in the web UI – is one :meth:`LocalPortal.transaction`; the events it causes are rows
written in
the same transaction, so a rolled back call sends nothing and a committed one is never forgotten.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import pkgutil
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from b24.sandbox.kernel import METHODS, SCHEMA, Answer, Call, Method, RestError, tables
from b24.sandbox.upgrade import prepare

PORTAL_ZONE = timezone(timedelta(hours=3))
"""The zone of the portal's server; dates of answers carry its offset whatever zone a user lives in."""

CORE_MODULES = ("users", "apps", "oauth", "events", "offline", "placement", "basic", "notify", "mail")

tables(
    """
    CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS app_options (
        app_id INTEGER NOT NULL, name TEXT NOT NULL, value TEXT, PRIMARY KEY (app_id, name));
    CREATE TABLE IF NOT EXISTS user_options (
        app_id INTEGER NOT NULL, user_id INTEGER NOT NULL, name TEXT NOT NULL, value TEXT,
        PRIMARY KEY (app_id, user_id, name));
    """
)


class LocalPortal:
    """The portal of the sandbox; implements :class:`b24.sandbox.kernel.Portal`.

    Attributes:
        origin: ``http://127.0.0.1:8900``, without a slash at the end.
        member_id: 32 hex digits, made once per state.
        plan: ``"standard"`` or ``"enterprise"``; decides the intensity limits.
        cut_s: seconds after which the portal's web server gives a request up.
        renamed: whether the portal got another address since it started; the old one answers 302.
        connector: ``auth_connector`` of the call being run; the offline queue of that key leaves its echo
            out.
    """

    def __init__(self, connection: sqlite3.Connection, *, origin: str, plan: str, cut_s: float) -> None:
        self._connection = connection
        self._lock = threading.RLock()
        self._depth = 0
        self._offset = timedelta()
        self._after_commit: list[Callable[[], None]] = []
        self.origin = origin
        self.plan = plan
        self.cut_s = cut_s
        self.queue_grew = threading.Event()
        self.created: dict[tuple[str, str], float] = {}
        self.member_id = ""
        self.connector = ""
        self.renamed = False

    @property
    def db(self) -> sqlite3.Connection:
        """The connection; use it inside :meth:`transaction` only."""
        return self._connection

    @property
    def host(self) -> str:
        """Host and port as they stand in ``DOMAIN`` and ``auth[domain]``."""
        return self.origin.split("://", 1)[1]

    @property
    def rest_url(self) -> str:
        """What a real portal calls ``client_endpoint``."""
        return f"{self.origin}/rest/"

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything inside is written together or not at all; a nested one can fail alone."""
        with self._lock:
            name = f"level{self._depth}"
            self._connection.execute(f"SAVEPOINT {name}" if self._depth else "BEGIN")
            hooks = len(self._after_commit)
            if not self._depth:
                self.connector = ""
            self._depth += 1
            try:
                yield self._connection
            except BaseException:
                self._depth -= 1
                del self._after_commit[hooks:]
                self._undo(name)
                raise
            self._depth -= 1
            self._connection.execute(f"RELEASE {name}" if self._depth else "COMMIT")
            done = self._take_hooks()
        for hook in done:
            hook()

    def _undo(self, name: str) -> None:
        if self._depth:
            self._connection.execute(f"ROLLBACK TO {name}")
            self._connection.execute(f"RELEASE {name}")
        elif self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _take_hooks(self) -> list[Callable[[], None]]:
        if self._depth:
            return []
        done, self._after_commit = self._after_commit, []
        return done

    def after_commit(self, hook: Callable[[], None]) -> None:
        """Call ``hook`` once the outermost transaction has been committed; never after a rollback."""
        self._after_commit.append(hook)

    def now(self) -> datetime:
        """Portal time in the portal's zone, whole seconds; moved by ``control/clock``."""
        return (datetime.now(PORTAL_ZONE) + self._offset).replace(microsecond=0)

    def timestamp(self) -> float:
        """Portal time as unix seconds with a fraction."""
        return time.time() + self._offset.total_seconds()

    def shift_clock(self, offset: timedelta) -> None:
        """Let the portal's clock run ``offset`` ahead of the machine's; kept in the state."""
        with self.transaction():
            self.put("clock_offset", offset.total_seconds())
        self._offset = offset

    @property
    def clock_offset(self) -> timedelta:
        """How far the portal's clock is ahead of the machine's."""
        return self._offset

    def get(self, name: str, default: Any = None) -> Any:
        """A setting of the portal (JSON value)."""
        row = self._connection.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return default if row is None else json.loads(row["value"])

    def put(self, name: str, value: Any) -> None:
        """Keep a setting of the portal; call inside a transaction."""
        self._connection.execute(
            "INSERT INTO settings (name, value) VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, json.dumps(value)),
        )

    def emit(self, event: str, data: dict[str, Any], *, user_id: int | None) -> None:
        """Queue an event for every handler bound to it; see :class:`b24.sandbox.kernel.Portal`."""
        from b24.sandbox import events

        fields = data.get("FIELDS")
        if event.endswith("ADD") and isinstance(fields, dict) and "ID" in fields:
            self._remember_creation(str(fields.get("ENTITY_TYPE_ID", event)), str(fields["ID"]))
        if events.queue(self, event, data, user_id=user_id):
            self.after_commit(self.queue_grew.set)

    def _remember_creation(self, kind: str, object_id: str) -> None:
        if len(self.created) > 10_000:
            self.created.clear()
        self.created[kind, object_id] = time.monotonic()

    def run(
        self, name: str, params: dict[str, Any] | None = None, *, user_id: int, app_id: int | None = None
    ) -> Answer:
        """Run a REST method in process, as ``user_id``, without limits and scopes (forms, UI, control).

        Raises:
            RestError: as the method documents it; ``ERROR_METHOD_NOT_FOUND`` for an unknown name.
        """
        method = find_method(name)
        with self.transaction():
            call = Call(self, method.name, dict(params or {}), user_id, self.is_admin(user_id), app_id)
            result = method.run(call)
        return result if isinstance(result, Answer) else Answer(result)

    def is_admin(self, user_id: int) -> bool:
        """Whether the user administers the portal."""
        row = self._connection.execute(
            "SELECT admin FROM users WHERE id = ? AND active = 1", (user_id,)
        ).fetchone()
        return row is not None and bool(row["admin"])

    def close(self) -> None:
        """Close the state; nothing may use the portal afterwards."""
        with self._lock:
            self._connection.close()

    def _begin_life(self, seed: str) -> None:
        self.member_id = self.get("member_id") or ""
        self._offset = timedelta(seconds=float(self.get("clock_offset", 0)))
        if not self.member_id:
            self._found(seed)
            return
        base = _optional("b24.sandbox.crm.base")
        if base is not None:
            with self.transaction():
                base.complete(self)

    def _found(self, seed: str) -> None:
        """First start on this state: an administrator, a department, then the data of the CRM."""
        from b24.sandbox import users

        with self.transaction():
            self.member_id = secrets.token_hex(16)
            self.put("member_id", self.member_id)
            users.found(self)
            plant = _optional("b24.sandbox.crm.seed")
            if plant is not None:
                plant.plant(self, seed)


def find_method(name: str) -> Method:
    """The registered method, whatever letter case the caller uses.

    Raises:
        RestError: ``ERROR_METHOD_NOT_FOUND`` (404).
    """
    method = METHODS.get(name.lower())
    if method is None:
        raise RestError("ERROR_METHOD_NOT_FOUND", "Method not found!", 404)
    return method


def load_methods() -> None:
    """Import every module that registers methods and tables."""
    for name in CORE_MODULES:
        importlib.import_module(f"b24.sandbox.{name}")
    crm = _optional("b24.sandbox.crm")
    if crm is not None:
        for module in pkgutil.iter_modules(crm.__path__):
            importlib.import_module(f"b24.sandbox.crm.{module.name}")


def _optional(name: str) -> Any:
    return importlib.import_module(name) if importlib.util.find_spec(name) else None


def open_portal(
    path: Path | None,
    *,
    origin: str = "http://127.0.0.1:8900",
    seed: str = "demo",
    plan: str = "standard",
    cut_s: float = 60.0,
) -> LocalPortal:
    """Open (or found) a portal on the state file ``path``; ``None`` keeps everything in memory.

    Args:
        origin: where the portal will be reached; it may change between starts.
        seed: ``"demo"`` fills a new portal with companies, people and deals, ``"empty"`` leaves it bare.

    Raises:
        ForeignState: the file is not a state this version can use.
    """
    load_methods()
    connection = _connect(path)
    portal = LocalPortal(connection, origin=origin, plan=plan, cut_s=cut_s)
    prepare(connection, SCHEMA)
    portal._begin_life(seed)
    return portal


def _connect(path: Path | None) -> sqlite3.Connection:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(
        str(path) if path else ":memory:",
        isolation_level=None,
        check_same_thread=False,
        cached_statements=512,
    )
    connection.row_factory = sqlite3.Row
    connection.create_function("casefold", 1, lambda text: text.casefold() if isinstance(text, str) else text)
    connection.executescript(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;"
        "PRAGMA busy_timeout = 5000; PRAGMA cache_size = -32000; PRAGMA temp_store = MEMORY;"
    )
    return connection


def iso_of(timestamp: float) -> str:
    """Unix seconds as the portal writes dates."""
    return datetime.fromtimestamp(timestamp, UTC).astimezone(PORTAL_ZONE).isoformat(timespec="seconds")
