"""``batch``: up to 50 commands in one call, with references to earlier results.

Empty maps come back as ``[]`` and maps whose keys count from 0 as lists, because PHP encodes them so.

Source: settings/how-to-call-rest-api/batch.md, data-encoding.md.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from b24.sandbox import php
from b24.sandbox.access import Caller
from b24.sandbox.kernel import RestError

if TYPE_CHECKING:
    from b24.sandbox.dispatch import Dispatcher

MAX_COMMANDS = 50
REFERENCE = re.compile(r"\$result\[([^\[\]]+)\]((?:\[[^\[\]]+\])*)")
NOT_ALLOWED = frozenset(
    {"batch", "disk.folder.uploadfile", "disk.storage.uploadfile", "disk.file.uploadversion"}
)
"""A batch inside a batch and methods that carry files are refused."""


def run(dispatcher: Dispatcher, caller: Caller, params: dict[str, Any], *, deadline: float) -> dict[str, Any]:
    """Run the commands in order; what a real portal answers under ``result``.

    Args:
        deadline: monotonic seconds at which the web server cuts the request off; no command starts after it.

    Raises:
        CutOff: when the deadline passed; the commands run so far stay done.
    """
    from b24.sandbox.dispatch import CutOff

    halt = str(params.get("halt") or "").lower() in {"1", "true", "y"}
    maps: dict[str, dict[str, Any]] = {
        name: {} for name in ("result", "result_error", "result_total", "result_next", "result_time")
    }
    for position, (key, command) in enumerate(_commands(params.get("cmd"))):
        if time.monotonic() > deadline:
            raise CutOff
        try:
            if position >= MAX_COMMANDS:
                raise RestError("ERROR_BATCH_LENGTH_EXCEEDED", "Max batch length exceeded", 400)
            _run_one(dispatcher, caller, key, command, maps)
        except RestError as error:
            maps["result_error"][key] = {
                "error": error.code,
                "error_description": error.description,
            } | error.extra
            if halt:
                break
    if time.monotonic() > deadline:
        raise CutOff
    return {name: php.as_json_array(found) for name, found in maps.items()}


def _commands(cmd: Any) -> list[tuple[str, Any]]:
    if isinstance(cmd, list):
        return [(str(index), one) for index, one in enumerate(cmd)]
    return list(cmd.items()) if isinstance(cmd, dict) else []


def _run_one(
    dispatcher: Dispatcher, caller: Caller, key: str, command: Any, maps: dict[str, dict[str, Any]]
) -> None:
    name, params = parse(command)
    if name.lower() in NOT_ALLOWED:
        raise RestError("ERROR_BATCH_METHOD_NOT_ALLOWED", "Method is not allowed for batch usage", 405)
    if dispatcher.faults.strikes("command_503", name):
        raise RestError("QUERY_LIMIT_EXCEEDED", "Too many requests", 503)
    begun = dispatcher.portal.timestamp()
    answer, spent = dispatcher.execute(caller, name, substitute(params, maps["result"]))
    maps["result"][key] = answer.result
    if answer.total is not None:
        maps["result_total"][key] = answer.total
    if answer.next is not None:
        maps["result_next"][key] = answer.next
    maps["result_time"][key] = dispatcher.times(caller, name, begun, spent)


def parse(command: Any) -> tuple[str, dict[str, Any]]:
    """A command ``method?query`` (or a map or pair of method and parameters) as name and parameters."""
    if isinstance(command, dict):
        params = command.get("params")
        return _name(str(command.get("method") or "")), params if isinstance(params, dict) else {}
    if isinstance(command, list):
        params = command[1] if len(command) > 1 else {}
        return _name(str(command[0]) if command else ""), params if isinstance(params, dict) else {}
    name, _, query = str(command or "").partition("?")
    try:
        return _name(name), php.decode_form(query)
    except php.TooMuchInput as error:
        raise RestError("INVALID_REQUEST", "Too many parameters", 400) from error


def _name(text: str) -> str:
    name = text.strip().strip("/")
    return name[:-5] if name.lower().endswith(".json") else name


def substitute(value: Any, results: dict[str, Any]) -> Any:
    """Replace ``$result[key][field]`` in strings; a string that is nothing else becomes the value itself."""
    if isinstance(value, dict):
        return {key: substitute(one, results) for key, one in value.items()}
    if isinstance(value, list):
        return [substitute(one, results) for one in value]
    if not isinstance(value, str) or "$result" not in value:
        return value
    whole = REFERENCE.fullmatch(value)
    if whole:
        found = _look_up(whole, results)
        return "" if found is None else found
    return REFERENCE.sub(lambda match: _as_text(_look_up(match, results)), value)


def _as_text(value: Any) -> str:
    if value is None or isinstance(value, dict | list):
        return ""
    return str(int(value)) if isinstance(value, bool) else str(value)


def _look_up(match: re.Match[str], results: dict[str, Any]) -> Any:
    node: Any = results.get(match[1])
    for step in re.findall(r"\[([^\[\]]+)\]", match[2]):
        if isinstance(node, dict):
            node = node.get(step)
        elif isinstance(node, list) and step.isdigit() and int(step) < len(node):
            node = node[int(step)]
        else:
            return None
    return node
