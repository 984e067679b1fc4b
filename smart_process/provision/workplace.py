"""What every provisioning step works with, and what it reports."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from b24.errors import B24Error
from smart_process.schema import Binding, Words


class Caller(Protocol):
    """The part of ``b24.client.Client`` that provisioning needs."""

    def call(self, method: str, params: Mapping[str, Any] | None = None, *, write: bool = False) -> Any:
        """One call; the result."""
        ...

    def listed(
        self, method: str, params: Mapping[str, Any] | None = None, *, rows_at: str | None = None
    ) -> list[dict[str, Any]]:
        """All rows of a list that pages by ``start`` and ``next``."""
        ...

    def batch(
        self, commands: Mapping[str, tuple[str, Mapping[str, Any]]], *, write: bool = False
    ) -> Mapping[str, Any]:
        """Up to 50 calls; per key an answer or an error."""
        ...


class Notebook(Protocol):
    """What must survive an interruption; ``keep`` commits at once. The last step sets ``binding``."""

    notes: dict[str, Any]
    binding: Binding | None

    def keep(self) -> None:
        """Write ``notes`` down."""
        ...

    def forget_values(self, names: Collection[str]) -> None:
        """These fields of participations are about to be made: what stood in former ones is gone."""
        ...


class SetupProblem(Exception):
    """A step cannot go on until somebody does something; ``words`` say what, in the three languages."""

    def __init__(self, words: Words, code: str = "") -> None:
        super().__init__(words.ru)
        self.words = words
        self.code = code


@dataclass
class Report:
    """What one step did: names of things found as they should be, made, changed."""

    found: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)


@dataclass
class Workplace:
    """One portal being set up.

    Args:
        client: calls with the installer's rights.
        book: the notebook; ``notes["types"][key]`` is ``{"id", "entity_type_id", "category_id"}``.
        public_url: base of our addresses, without a trailing slash.
        language: of titles we make: ru, en, kk.
    """

    client: Caller
    book: Notebook
    public_url: str
    language: str = "ru"

    @property
    def types(self) -> dict[str, dict[str, Any]]:
        """What is known of our smart processes, by our key."""
        known: dict[str, dict[str, Any]] = self.book.notes.setdefault("types", {})
        return known

    def entity_type_ids(self) -> dict[str, int]:
        """Our type key → ``entityTypeId``."""
        return {key: int(one["entity_type_id"]) for key, one in self.types.items()}

    def item_fields(self, entity_type_id: int) -> dict[str, dict[str, Any]]:
        """Fields of a type by their name in ``crm.item.*``, each with ``upperName``.

        Source: crm/universal/crm-item-fields.md.
        """
        result = self.client.call("crm.item.fields", {"entityTypeId": entity_type_id})
        fields: dict[str, dict[str, Any]] = result["fields"]
        return fields

    def write_all(self, commands: Mapping[str, tuple[str, Mapping[str, Any]]]) -> None:
        """Run writes in batches; the first refusal is raised after all of them were tried."""
        keys = list(commands)
        refused: list[B24Error] = []
        for start in range(0, len(keys), 50):
            part = {key: commands[key] for key in keys[start : start + 50]}
            answers = self.client.batch(part, write=True)
            refused += [one for one in answers.values() if isinstance(one, B24Error)]
        if refused:
            raise refused[0]
