"""The lock files name what pyproject.toml asks for, at the same versions everywhere, and no place."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


def locked(name: str) -> dict[str, str]:
    """The version of each package in a lock file."""
    pins = re.findall(r"^([\w.-]+)==([^ ;]+)", (ROOT / name).read_text("utf-8"), re.MULTILINE)
    return {str(canonicalize_name(package)): version for package, version in pins}


def assert_holds(lock: dict[str, str], wanted: list[str]) -> None:
    for requirement in map(Requirement, wanted):
        assert lock[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_each_lock_holds_what_is_asked_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    needed = project["project"]["dependencies"]
    assert_holds(locked("requirements.lock"), needed)
    assert_holds(locked("requirements-dev.lock"), needed + project["dependency-groups"]["dev"])
    assert_holds(locked("requirements-node.lock"), project["dependency-groups"]["node"])


def test_tests_run_with_the_versions_that_people_get() -> None:
    assert locked("requirements.lock").items() <= locked("requirements-dev.lock").items()


def test_no_lock_names_a_place() -> None:
    subprocess.run([ROOT / "scripts/check-locks"], cwd=ROOT, check=True)
