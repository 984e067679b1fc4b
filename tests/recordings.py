"""Recorded and documented traffic of real portals, one file each (``tests/recorded``)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "recorded"


@dataclass(frozen=True)
class Recorded:
    """An answer of a portal or of the authorisation server: what came over the wire."""

    status: int
    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True)
class RecordedPost:
    """A POST of a portal to us; ``expect`` is what its bytes mean."""

    body: bytes
    query: bytes
    expect: dict[str, Any]


def names(kind: str) -> list[str]:
    """Names of all recordings of a kind, ``events`` or ``responses``."""
    return sorted(path.stem for path in (HERE / kind).glob("*.json"))


def response(name: str) -> Recorded:
    """A recorded answer; JSON bodies are written as the portal writes them."""
    found = json.loads((HERE / "responses" / f"{name}.json").read_text())
    body = found.get("body", "")
    raw = body if isinstance(body, str) else json.dumps(body)
    return Recorded(found["status"], raw.encode(), found.get("headers") or {})


def post(name: str) -> RecordedPost:
    """A recorded POST."""
    found = json.loads((HERE / "events" / f"{name}.json").read_text())
    query = found.get("query_string") or ""
    return RecordedPost(found["raw_body"].encode(), query.encode(), found.get("expect") or {})
