"""Where a demo keeps itself: one folder with both databases, the chosen ports and who is running."""

from __future__ import annotations

import fcntl
import json
import secrets
import socket
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

RELEASED_S = 2.0
_AWAY = "Уберите папку, и демонстрация начнётся с чистого листа."


@dataclass
class Kept:
    """What a second start finds: ports, secrets of this demo, and what was made in the portal."""

    portal_port: int = 0
    app_port: int = 0
    smtp_port: int = 0
    key: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    app_id: int = 0
    client_id: str = ""
    client_secret: str = ""
    installed_for: list[str] = field(default_factory=list)
    event_item_id: int = 0
    form_id: int = 0
    enrol_code: str = ""


class AlreadyRunning(Exception):
    """Somebody runs this state; ``links`` is what they printed, ``None`` while they are still starting."""

    def __init__(self, links: dict[str, str] | None) -> None:
        super().__init__("this demo is running already")
        self.links = links


class Unusable(Exception):
    """This folder cannot hold a demo; the text says why, in words for people."""


class Folder:
    """A demo's folder; holds the lock while it is open.

    Raises:
        AlreadyRunning: another process holds it.
        Unusable: it cannot be written, or what is in it is no demo's.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # Tokens and guests live here: nobody else on this machine reads them.
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = self._take()
            self.kept = self._read()
            self._links.unlink(missing_ok=True)
        except OSError as error:
            raise Unusable(f"Папка {path} не годится: {error.strerror or error}.") from error

    @property
    def _links(self) -> Path:
        return self.path / "running.json"

    def _take(self) -> IO[str]:
        lock = (self.path / "lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise AlreadyRunning(_json(self._links)) from None
        return lock

    def _read(self) -> Kept:
        """What an earlier demo kept. Without it its databases cannot be read, so nothing is begun anew beside them."""
        for name in ("app.sqlite", "portal.sqlite"):
            if not _is_database(self.path / name):
                raise Unusable(f"{self.path / name} испорчен. {_AWAY}")
        kept = self.path / "demo.json"
        found = _json(kept) if kept.exists() or (self.path / "app.sqlite").exists() else {}
        fresh = asdict(Kept())
        if not isinstance(found, dict) or not all(
            type(found[name]) is type(value) for name, value in fresh.items() if name in found
        ):
            raise Unusable(f"{kept} не читается. {_AWAY}")
        return Kept(**{name: value for name, value in found.items() if name in fresh})

    def save(self) -> None:
        """Write what is kept, whole or not at all."""
        _write(self.path / "demo.json", asdict(self.kept))

    def running(self, links: dict[str, str]) -> None:
        """Tell a second start what it may print."""
        _write(self._links, links)

    def close(self) -> None:
        """Let others have the folder."""
        self._links.unlink(missing_ok=True)
        self._lock.close()


def choose_ports(kept: Kept, wanted: int | None) -> None:
    """Keep the ports of the last time if they are free, else take free ones; ``wanted`` is the app's."""
    if kept.client_id:
        # A portal whose demo was killed is about to end.
        _wait_for(kept.portal_port)
    taken: set[int] = set()
    for name, first in (("app_port", wanted or kept.app_port), ("portal_port", kept.portal_port)):
        setattr(kept, name, _free(first, taken))
    kept.smtp_port = _free(kept.smtp_port, taken)


def _wait_for(port: int) -> None:
    until = time.monotonic() + RELEASED_S
    while not _bindable(port) and time.monotonic() < until:
        time.sleep(0.05)


def _bindable(port: int) -> int | None:
    """The port itself, a free one for 0, or ``None`` while somebody listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return None
        return int(probe.getsockname()[1])


def _free(wanted: int, taken: set[int]) -> int:
    for port in (wanted, 0):
        found = _bindable(port)
        if found and found not in taken:
            taken.add(found)
            return found
    raise OSError("no free port on this machine")


def _is_database(path: Path) -> bool:
    """Whether SQLite can open it: a file of its own, or none yet."""
    if not path.exists():
        return True
    with path.open("rb") as file:
        return file.read(16) in (b"", b"SQLite format 3\0")


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def _write(path: Path, data: Any) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(data, ensure_ascii=False, indent=1))
    fresh.replace(path)
