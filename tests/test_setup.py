"""`make setup` on machines that lack something: says what, names the command, leaves nothing half done.

The script runs in a folder of its own with a ``PATH`` of chosen programs; a stand-in for Python notes calls.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.source_tree import ROOT

NEEDED = ("sh", "dirname", "sed", "cat", "cksum", "cmp", "cp", "rm", "mkdir", "chmod")
COPIED = (
    ".ci/setup",
    "requirements.lock",
    "requirements-dev.lock",
    "requirements-node.lock",
    "placements/frontend/package.json",
    "placements/frontend/package-lock.json",
    "placements/frontend/vendor.py",
)
WORKING_PYTHON = """#!/bin/sh
echo "$*" >>"{log}"
case "$*" in
  "-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python && chmod +x .venv/bin/python ;;
  *vendor.py) mkdir -p placements/static/vendor ;;
esac
"""
OLD_PYTHON = "#!/bin/sh\nexit 1\n"
PYTHON_WITHOUT_VENV = """#!/bin/sh
case "$*" in
  "-m venv .venv") mkdir -p .venv/bin; exit 1 ;;
  *print*) echo 3.11 ;;
esac
"""


class Machine:
    """A checkout and a ``PATH`` with nothing on it but what the test puts there."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "checkout"
        self.programs = folder / "bin"
        self.log = folder / "python-calls"
        self.programs.mkdir(parents=True)
        for path in COPIED:
            (self.checkout / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, self.checkout / path)
        for name in NEEDED:
            (self.programs / name).symlink_to(str(shutil.which(name)))

    def install(self, name: str, script: str = "#!/bin/sh\n") -> None:
        """Put a program on the ``PATH``."""
        program = self.programs / name
        program.write_text(script.replace("{log}", str(self.log)))
        program.chmod(0o755)

    def setup(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the script as make does."""
        return subprocess.run(
            [str(self.checkout / ".ci/setup"), *arguments],
            check=False,
            capture_output=True,
            text=True,
            env={"PATH": str(self.programs)},
        )

    def installed(self) -> list[str]:
        """The locks pip was told to install, in order."""
        calls = self.log.read_text().splitlines() if self.log.exists() else []
        return [call.split()[-1] for call in calls if " pip install " in call]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine without Python and without Node."""
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("package_manager", "command"),
    [
        ("apt-get", "sudo apt-get install python3 python3-venv"),
        ("dnf", "sudo dnf install python3"),
        ("brew", "brew install python"),
    ],
)
def test_without_python_the_command_that_installs_it_is_named(
    machine: Machine, package_manager: str, command: str
) -> None:
    machine.install(package_manager)
    run = machine.setup()
    assert run.returncode == 1
    assert "Python 3.11 or newer" in run.stderr
    assert command in run.stderr


def test_a_python_too_old_counts_as_none(machine: Machine) -> None:
    machine.install("python3", OLD_PYTHON)
    run = machine.setup()
    assert run.returncode == 1
    assert "Not here: Python 3.11 or newer." in run.stderr


def test_without_the_venv_module_its_package_is_named_and_nothing_is_left(machine: Machine) -> None:
    machine.install("apt-get")
    machine.install("python3", PYTHON_WITHOUT_VENV)
    run = machine.setup()
    assert run.returncode == 1
    assert "sudo apt-get install python3.11-venv" in run.stderr
    assert not (machine.checkout / ".venv").exists()


def test_each_download_is_announced_with_its_size_and_a_second_run_is_silent(machine: Machine) -> None:
    machine.install("python3", WORKING_PYTHON)
    first = machine.setup()
    assert first.returncode == 0, first.stderr
    assert machine.installed() == ["requirements.lock", "requirements-node.lock"]
    announced = [line for line in first.stderr.splitlines() if line.startswith("Downloading ")]
    assert len(announced) == 3
    assert all(" MB)" in line for line in announced)
    second = machine.setup()
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert len(machine.installed()) == 2


def test_the_tests_packages_come_on_top_and_are_not_taken_away_by_the_demo(machine: Machine) -> None:
    machine.install("python3", WORKING_PYTHON)
    for arguments in ((), ("dev",), (), ("dev",)):
        assert machine.setup(*arguments).returncode == 0
    assert machine.installed() == ["requirements.lock", "requirements-node.lock", "requirements-dev.lock"]


def test_a_changed_lock_is_installed_again(machine: Machine) -> None:
    machine.install("python3", WORKING_PYTHON)
    machine.setup()
    with (machine.checkout / "requirements.lock").open("a") as lock:
        lock.write("# changed\n")
    machine.setup()
    assert machine.installed().count("requirements.lock") == 2


def test_a_venv_copied_from_another_machine_is_made_anew(machine: Machine) -> None:
    machine.install("python3", WORKING_PYTHON)
    python = machine.checkout / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to("/opt/of-another-machine/python3")
    shutil.copy(
        machine.checkout / "requirements.lock", machine.checkout / ".venv/.installed-requirements.lock"
    )
    run = machine.setup()
    assert run.returncode == 0, run.stderr
    assert "making it anew" in run.stderr
    assert "requirements.lock" in machine.installed()


def test_a_node_of_the_machines_own_is_used(machine: Machine) -> None:
    machine.install("python3", WORKING_PYTHON)
    machine.install("node")
    machine.install("npm")
    assert machine.setup().returncode == 0
    assert machine.installed() == ["requirements.lock"]
