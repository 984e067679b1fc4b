"""Imports point one way, and each library is known to the one part of the tree whose business it is."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.source_tree import OURS, ROOT, imports, is_in, parsed, python_files

NETWORK = ("requests", "aiohttp", "fast_bitrix24", "urllib.request", "urllib3", "http.client")
# What may be imported only under these paths.
ONLY_THERE = {
    "app": (),
    "b24.sandbox": ("app.py", "b24/sandbox/"),
    "flask": ("app.py", "handlers/", "placements/", "b24/sandbox/"),
    "sqlalchemy": ("b24/store/", "b24/leases.py", "b24/limits.py", "b24/portals.py", "smart_process/store/"),
    "alembic": ("b24/store/", "smart_process/store/"),
    "psycopg": ("b24/store/",),
    "procrastinate": ("b24/store/queue.py", "smart_process/sync/queue.py"),
    "gunicorn": ("app.py",),
    "aiosmtpd": ("b24/sandbox/",),
    **dict.fromkeys(NETWORK, ("b24/", "smart_process/demo")),
}


def names_used(tree: ast.Module) -> set[str]:
    """Names a file imports, and those it mentions as far as ``a.b``: enough to see ``os.environ``."""
    dotted = {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    return dotted | imports(tree, "")


def test_the_declared_import_contracts_hold() -> None:
    code = "from importlinter.cli import lint_imports; import sys; sys.exit(lint_imports(no_cache=True))"
    run = subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("module", ONLY_THERE)
def test_a_module_is_imported_only_where_it_belongs(module: str) -> None:
    strangers = [
        path
        for path in python_files(product=True)
        if not path.startswith(ONLY_THERE[module] or ("?",))
        and any(is_in(name, module) for name in imports(parsed(path), path))
    ]
    assert strangers == []


def test_the_sandbox_imports_nothing_of_ours_but_itself() -> None:
    shared = {
        (path, name)
        for path in python_files(product=True)
        if path.startswith("b24/sandbox/")
        for name in imports(parsed(path), path)
        if name.partition(".")[0] in OURS and name != "b24" and not is_in(name, "b24.sandbox")
    }
    assert shared == set()


def test_only_the_command_line_reads_the_environment() -> None:
    readers = [
        path
        for path in python_files(product=True)
        if path != "app.py" and names_used(parsed(path)) & {"os.environ", "os.getenv", "os.environb"}
    ]
    assert readers == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import b24.sandbox.server", {"b24.sandbox.server"}),
        ("from b24 import sandbox", {"b24", "b24.sandbox"}),
        ("def f():\n    from flask import g", {"flask", "flask.g"}),
        ("from . import php", {"b24.sandbox", "b24.sandbox.php"}),
        ("from ..store import marks", {"b24.store", "b24.store.marks"}),
        ("from .crm.store import add", {"b24.sandbox.crm.store", "b24.sandbox.crm.store.add"}),
    ],
)
def test_an_import_is_seen_however_it_is_written(source: str, expected: set[str]) -> None:
    assert imports(ast.parse(source), "b24/sandbox/server.py") == expected


@pytest.mark.parametrize(
    "source", ["import os\nos.environ['A']", "from os import environ", "import os\nos.getenv('A')"]
)
def test_reading_the_environment_is_seen_however_it_is_written(source: str) -> None:
    assert names_used(ast.parse(source)) & {"os.environ", "os.getenv"}
