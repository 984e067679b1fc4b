"""Reading the parameters of a call the way the portal does: PHP-decoded values of any shape."""

from __future__ import annotations

from typing import Any

from b24.sandbox.kernel import Call, RestError

PAGE = 50


def required(call: Call, name: str) -> Any:
    """A parameter the method cannot do without.

    Raises:
        RestError: code ``100``, "Could not find value for parameter {name}".
    """
    if call.params.get(name) is None:
        raise RestError("100", f"Could not find value for parameter {{{name}}}")
    return call.params[name]


def either(call: Call, name: str) -> Any:
    """A parameter of the older methods, whose names are read in lower and in upper case alike."""
    value = call.params.get(name)
    return call.params.get(name.upper()) if value is None else value


def mapping(value: Any) -> dict[str, Any]:
    """A PHP array as a map; a list becomes ``{"0": …}``, anything else is empty."""
    if isinstance(value, dict):
        return {str(key): each for key, each in value.items()}
    if isinstance(value, list):
        return {str(index): each for index, each in enumerate(value)}
    return {}


def listing(value: Any) -> list[Any]:
    """A PHP array as a list; a map loses its keys, a scalar is a list of one, nothing is empty."""
    if value is None:
        return []
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else [value]


def fields_of(call: Call, name: str = "fields") -> dict[str, Any]:
    """The required map of fields.

    Raises:
        RestError: code ``100`` without it or with a scalar in its place.
    """
    given = required(call, name)
    if not isinstance(given, dict | list):
        trouble = f"Invalid value {{{text(given)}}} to match with parameter {{{name}}}."
        raise RestError("100", f"{trouble} Should be value of type array.")
    return mapping(given)


def integer(value: Any) -> int | None:
    """A whole number sent as a number or as digits; ``None`` for anything else."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return int(value) if abs(value) < 2**53 else None
    try:
        number = int(str(value).strip())
    except (ValueError, TypeError):
        return None
    return number if abs(number) < 2**62 else None


def is_yes(value: Any) -> bool:
    """A flag as callers write it: ``Y``, true, 1."""
    return value is True or str(value).strip().upper() in {"Y", "1", "TRUE"}


def text(value: Any) -> str:
    """A scalar as text; nothing and arrays are empty, halves of surrogate pairs become question marks."""
    if value is None or isinstance(value, dict | list):
        return ""
    if isinstance(value, bool):
        return "1" if value else ""
    return str(value).encode("utf-8", "replace").decode("utf-8")


def start_of(call: Call) -> int:
    """The offset of a list; ``-1`` asks not to count."""
    number = integer(call.params.get("start", 0))
    if number is None:
        return 0
    return -1 if number < 0 else number


def original_names(call: Call) -> bool:
    """Whether the caller wants custom fields under their database names."""
    return is_yes(call.params.get("useOriginalUfNames"))
