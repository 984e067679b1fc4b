"""The repository as tests look at it: tracked files, and which module imports what."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
OURS = ("app", "b24", "handlers", "placements", "smart_process", "tests")


@cache
def tracked_files() -> tuple[str, ...]:
    """Paths under version control, as git writes them; files just deleted are left out."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True
    ).stdout.decode()
    return tuple(path for path in listed.split("\0") if path and (ROOT / path).is_file())


def python_files(*, product: bool) -> list[str]:
    """Tracked Python files of the product, or of its tests."""
    return [path for path in tracked_files() if path.endswith(".py") and path.startswith("tests/") != product]


@cache
def parsed(path: str) -> ast.Module:
    """The syntax tree of a tracked file."""
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), filename=path)


def imports(tree: ast.Module, path: str) -> set[str]:
    """Every module a file imports anywhere in it, in full; ``from a import b`` is both ``a`` and ``a.b``."""
    package = list(Path(path).parent.parts)
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            found.update({source, *(f"{source}.{alias.name}" for alias in node.names)})
    return found


def is_in(module: str, parent: str) -> bool:
    """True when ``module`` is ``parent`` or something inside it."""
    return module == parent or module.startswith(parent + ".")
