"""Names of custom fields: the database's ``UF_CRM_…`` and the camel case of ``crm.item.*``.

Source: crm/universal/index.md, "Field Naming Conventions".
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_NUMBERED = re.compile(r"UF_CRM_(\d+)_(.+)", re.DOTALL)


def camel_userfield(upper: str) -> str:
    """One name on its own: regular conversion where it can be undone, else only the prefix changes."""
    match = _NUMBERED.fullmatch(upper)
    if match:
        number, rest = match.groups()
        if re.fullmatch(r"[A-Z_]+", rest):
            return f"ufCrm{number}" + "".join(part.capitalize() for part in rest.split("_"))
        if re.fullmatch(r"[0-9_]+", rest):
            return f"ufCrm{number}_{rest}"
    if upper.startswith("UF_CRM_"):
        return "ufCrm_" + upper.removeprefix("UF_CRM_")
    return upper


def camel_userfields(uppers: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Names of all custom fields of an object: upper -> camel; a name already taken stays in upper case."""
    used = set(taken)
    result = {}
    for upper in uppers:
        camel = camel_userfield(upper)
        result[upper] = upper if camel in used else camel
        used.add(result[upper])
    return result
