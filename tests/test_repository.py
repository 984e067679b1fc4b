"""What is under version control: a fixed top level, locks without hosts, direct dependencies, short files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions

import pytest

from tests.source_tree import OURS, ROOT, imports, parsed, python_files, tracked_files

TOP_LEVEL = {
    "LICENSE", "Makefile", "README.md", "README.ru.md", "app.py", "b24", "handlers", "placements",
    "pyproject.toml", "requirements-dev.lock", "requirements-node.lock", "requirements.lock", "smart_process",
    "tests",
}  # fmt: skip
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-node.lock")
CODE = (".py", ".js", ".css", ".html")
LONGEST = 600
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

REGISTRY = re.compile(
    r"https?://[^\"\s]+(?:/simple\b|/packages/|\.tgz|\.whl)|--(?:extra-)?index-[u]rl"
    r"|\bregistry\.[a-z]+\.(?:org|com)\b|\bpy(?:pi|thonhosted)\.org\b"
)
MACHINE = re.compile(r"(?<![\w.:/-])/(?:w[o]rk|r[o]ot|home/\w+|Users/\w+)/")
# A to-do is also a thing in the portal: only comments say it about code.
LEFT_OVER = re.compile(r"(?:#|//|/\*|<!--).*\b(?:TODO|FIXME|XXX)\b|\bNotImplementedError\b")
PINNED = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", re.MULTILINE)


def texts() -> Iterator[tuple[str, str]]:
    """Path and content of every tracked text file."""
    for path in tracked_files():
        content = (ROOT / path).read_bytes()
        if b"\0" not in content:
            yield path, content.decode("utf-8")


def matches(pattern: re.Pattern[str]) -> list[str]:
    """``path:line`` of every match in a tracked text file."""
    return [
        f"{path}:{content.count(chr(10), 0, match.start()) + 1}"
        for path, content in texts()
        for match in pattern.finditer(content)
    ]


def normalised(name: str) -> str:
    """A distribution's name as locks spell it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(*extras: str) -> set[str]:
    """Names of the direct dependencies, with those of the extras."""
    wanted = [
        *PROJECT["dependencies"],
        *(line for extra in extras for line in PROJECT["optional-dependencies"][extra]),
    ]
    return {normalised(re.split(r"[\[<>=!~;\s]", line)[0]) for line in wanted}


def pinned(lock: str) -> dict[str, str]:
    """Versions by name in a lock file."""
    return dict(PINNED.findall((ROOT / lock).read_text(encoding="utf-8")))


def test_the_top_level_holds_what_was_agreed_and_dot_files() -> None:
    top = {path.partition("/")[0] for path in tracked_files()}
    assert {name for name in top if not name.startswith(".")} <= TOP_LEVEL


def test_no_package_registry_is_named() -> None:
    assert matches(REGISTRY) == []


def test_no_path_of_a_developers_machine_is_named() -> None:
    assert matches(MACHINE) == []


def test_nothing_is_left_over_in_the_product() -> None:
    left = [place for place in matches(LEFT_OVER) if not place.startswith("tests/")]
    assert [place for place in left if place.partition(":")[0].endswith(CODE)] == []


def test_no_source_file_is_too_long_to_be_one_idea() -> None:
    long = {path: len(content.splitlines()) for path, content in texts() if path.endswith(CODE)}
    assert {path: lines for path, lines in long.items() if lines > LONGEST} == {}


def test_every_text_file_is_utf_8_with_unix_line_ends_and_a_last_one() -> None:
    assert [path for path, content in texts() if "\r" in content or (content and content[-1] != "\n")] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_and_hashes_every_package_and_says_what_it_downloads(lock: str) -> None:
    content = (ROOT / lock).read_text(encoding="utf-8")
    assert re.match(r"# .+ \(packages: \d+, about \d+ MB\)\n", content)
    blocks = re.split(r"^(?=[a-z0-9])", content.partition("\n")[2], flags=re.MULTILINE)
    assert [block for block in blocks if block and not ("==" in block and "--hash=sha256:" in block)] == []
    assert "://" not in content


def test_the_locks_hold_the_declared_dependencies() -> None:
    assert declared("postgres") <= pinned("requirements.lock").keys()
    assert declared("postgres", "dev") <= pinned("requirements-dev.lock").keys()
    assert declared("node") - declared() == pinned("requirements-node.lock").keys()


def test_tests_run_on_the_very_versions_the_app_runs_on() -> None:
    app, tests = pinned("requirements.lock"), pinned("requirements-dev.lock")
    assert app == {name: tests.get(name) for name in app}


def test_the_front_end_lock_has_a_hash_and_no_address_for_every_package() -> None:
    lock = json.loads((ROOT / "placements/frontend/package-lock.json").read_text(encoding="utf-8"))
    packages = {path: entry for path, entry in lock["packages"].items() if path}
    assert [path for path, entry in packages.items() if "resolved" in entry or "integrity" not in entry] == []


@pytest.mark.parametrize("product", [True, False])
def test_every_imported_library_is_a_direct_dependency(product: bool) -> None:
    known = declared("postgres") if product else declared("postgres", "dev")
    distributions = packages_distributions()
    missing = {
        (path, top)
        for path in python_files(product=product)
        for top in {name.partition(".")[0] for name in imports(parsed(path), path)}
        if top not in sys.stdlib_module_names and top not in OURS
        if not known & {normalised(name) for name in distributions.get(top, [])}
    }
    assert missing == set()


def test_the_scripts_of_ci_and_setup_can_be_run() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-s", ".ci"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert {line.split()[0] for line in listed.stdout.splitlines()} == {"100755"}


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (REGISTRY, "--" + "index-url x"),
        (REGISTRY, "see https" + "://files.example/packages/a/b"),
        (REGISTRY, "https" + "://files.example/a-1.0.tgz"),
        (MACHINE, "open('/w" + "ork/main')"),
        (MACHINE, "/ho" + "me/anna/code"),
        (LEFT_OVER, "# TO" + "DO later"),
    ],
)
def test_what_is_looked_for_is_found(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)
