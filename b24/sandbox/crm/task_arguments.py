"""Arguments of the ``task.*item.*`` methods: taken by their place, refused with the texts of the task core.

Source: tasks/checklist-item/index.md, tasks/comment-item/index.md.
"""

from __future__ import annotations

from typing import Any

from b24.sandbox.crm.params import integer, mapping
from b24.sandbox.kernel import Call, RestError


class Arguments:
    """What a caller gave: by name, or by place as ``0``, ``1`` … when no name is known.

    ``names`` are the documented names in their documented order.
    """

    def __init__(self, call: Call, owner: str, name: str, names: tuple[str, ...]) -> None:
        self._call = call
        self._method = f"{owner}::{name}()"
        given = {key: value for key, value in call.params.items() if key != "auth"}
        known = {key.upper(): value for key, value in given.items()}
        self._values = {each: known.get(each, given.get(str(place))) for place, each in enumerate(names)}

    def value(self, name: str) -> Any:
        """An argument as it came, ``None`` without one."""
        return self._values.get(name)

    def wrong(self, place: int, title: str, trouble: str) -> RestError:
        """``TASKS_ERROR_EXCEPTION_#256``: an argument the method cannot take."""
        return RestError(
            "ERROR_CORE",
            f"TASKS_ERROR_EXCEPTION_#256; Param #{place} ({title}) for method {self._method} {trouble};"
            " 256/TE/WRONG_ARGUMENTS<br>",
        )

    def failed(self, message: str) -> RestError:
        """``TASKS_ERROR_EXCEPTION_#8``: the action did not happen."""
        return RestError(
            "ERROR_CORE", f"TASKS_ERROR_EXCEPTION_#8; {message}; 8/TE/ACTION_FAILED_TO_BE_PROCESSED<br>"
        )

    def _absent(self, place: int, title: str) -> RestError:
        return RestError(
            "ERROR_CORE",
            f"TASKS_ERROR_EXCEPTION_#256; Param #{place} ({title}) expected by method {self._method},"
            " but not given.; 256/TE/WRONG_ARGUMENTS<br>",
        )

    def number(self, name: str, place: int, title: str) -> int:
        """A whole number that must be there."""
        value = self._values.get(name)
        if value is None:
            raise self._absent(place, title)
        number = None if isinstance(value, dict | list | bool) else integer(value)
        if number is None:
            raise self.wrong(place, title, 'expected to be of type "integer", but given something else.')
        if number <= 0:
            raise RestError("ERROR_CORE", "TASKS_ERROR_ASSERT_EXCEPTION<br>")
        return number

    def map(self, name: str, place: int, title: str) -> dict[str, Any]:
        """A map that must be there and hold something."""
        found = mapping(self._values.get(name))
        if not found:
            raise self._absent(place, title)
        return found

    def task(self, task_id: int, refusal: str) -> None:
        """Refuse with ``refusal`` when there is no such task or the caller may not see it."""
        from b24.sandbox.crm import task_view

        row = task_view.row_of(self._call.db, task_id)
        if row is None or not task_view.visible(self._call, row):
            raise self.failed(refusal)
