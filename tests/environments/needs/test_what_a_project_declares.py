"""Which of a project's files decides, and what each says."""

from __future__ import annotations

import pytest

from kumo.environments.needs.declarations import declaration_of, script_of
from kumo.environments.needs.spec import EnvironmentSpec
from kumo.errors import InvalidInput

HEADER = b"""#!/usr/bin/env python
# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "requests<3",
#   "rich",
# ]
# ///
print("hello")
"""
PYPROJECT = b'[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["rich"]\n'
LOCK = b"version = 1\n"


def test_the_scripts_header_comes_first() -> None:
    files = {"main.py": HEADER, "pyproject.toml": PYPROJECT, "requirements.txt": b"six"}
    found = declaration_of(files, "main.py")
    assert found is not None
    assert found.source == "pep723"
    assert found.spec == EnvironmentSpec(python=">=3.11", requirements=("requests<3", "rich"))


def test_the_lock_comes_before_the_dependencies() -> None:
    found = declaration_of({"pyproject.toml": PYPROJECT, "uv.lock": LOCK, "requirements.txt": b"six"})
    assert found is not None
    assert found.source == "uv.lock"
    assert found.spec.uv_lock == LOCK.decode()


def test_dependencies_come_before_requirements() -> None:
    found = declaration_of({"pyproject.toml": PYPROJECT, "requirements.txt": b"six"})
    assert found is not None
    assert found.source == "pyproject.toml"
    assert found.spec == EnvironmentSpec(python=">=3.10", requirements=("rich",))


def test_a_pyproject_without_dependencies_leaves_it_to_requirements() -> None:
    project = b'[project]\nname = "x"\nrequires-python = ">=3.10"\n'
    found = declaration_of({"pyproject.toml": project, "requirements.txt": b"six"})
    assert found is not None
    assert found.source == "requirements.txt"
    assert found.spec == EnvironmentSpec(python=">=3.10", requirements=("six",))


def test_a_pyproject_of_tools_alone_declares_nothing() -> None:
    assert declaration_of({"pyproject.toml": b"[tool.ruff]\nline-length = 100\n"}) is None
    assert declaration_of({"main.py": b"print(1)"}, "main.py") is None
    assert declaration_of({}) is None


def test_requirements_follow_the_files_they_name() -> None:
    files = {
        "requirements.txt": b"-r requirements/base.txt\n-c limits.txt\nrich\n",
        "requirements/base.txt": b"-r common.txt\nsix\n-r ../requirements.txt\n",
        "requirements/common.txt": b"idna\n",
        "limits.txt": b"six<2\n",
    }
    found = declaration_of(files)
    assert found is not None
    assert found.spec.requirements == ("idna", "six", "rich")
    assert found.spec.constraints == ("six<2",)


@pytest.mark.parametrize("named", ["../other.txt", "/etc/passwd", "https://example.org/r.txt", "a/../../r.txt"])
def test_requirements_outside_the_project_are_refused(named: str) -> None:
    with pytest.raises(InvalidInput, match=r"requirements\.txt, line 2: .* is not in the project"):
        declaration_of({"requirements.txt": f"six\n-r {named}".encode()})


def test_a_missing_file_is_named_with_its_line() -> None:
    with pytest.raises(InvalidInput, match=r"requirements\.txt, line 1: “base\.txt” is not in the project"):
        declaration_of({"requirements.txt": b"-r base.txt"})


def test_a_nested_files_mistake_is_named_with_that_file() -> None:
    with pytest.raises(InvalidInput, match=r"base\.txt, line 2: “-e \.” installs from a directory"):
        declaration_of({"requirements.txt": b"-r base.txt", "base.txt": b"six\n-e ."})


def test_the_pinned_python_wins_over_the_range() -> None:
    found = declaration_of({"pyproject.toml": PYPROJECT, ".python-version": b"3.12.1\n"})
    assert found is not None
    assert found.spec.python == "3.12.1"
    found = declaration_of({"pyproject.toml": PYPROJECT, ".python-version": b"pypy3.10\n"})
    assert found is not None
    assert found.spec.python == ">=3.10"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (b"# /// script\n# dependencies = [\n# ///\n", r"main\.py, line \d: this is not valid TOML"),
        (b"import os\n# /// script\n# a = 1\n# b = = 2\n# ///\n", r"main\.py, line 4: this is not valid TOML"),
        (b'# /// script\n# dependencies = "rich"\n# ///\n', r"main\.py, line 1: .*dependencies: write a list"),
        (b'# /// script\n# dependencies = ["-e ."]\n# ///\n', r"installs from a directory"),
        (b'# /// script\n# requires-python = "new"\n# ///\n', r"“new” is no Python version"),
        (b'# /// script\n# dependencies = ["rich"]\nprint(1)\n', r"main\.py, line 1: .*has no end"),
        (b"# /// script\n# a=1\n# ///\n\n# /// script\n# b=1\n# ///\n", r"main\.py, line 5: .*one .* only"),
        (b"\xff\xfe", r"main\.py, line 1: this file is not UTF-8"),
    ],
)
def test_a_broken_header_is_named_with_its_line(script: bytes, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        declaration_of({"main.py": script}, "main.py")
    assert caught.value.details[0].field == "main.py"


def test_a_broken_pyproject_is_named_with_its_line() -> None:
    with pytest.raises(InvalidInput, match=r"pyproject\.toml, line 2: this is not valid TOML"):
        declaration_of({"pyproject.toml": b"[project]\nname = \n"})


def test_sources_that_would_be_ignored_are_refused() -> None:
    text = PYPROJECT + b'[tool.uv.sources]\nrich = { path = "../rich" }\n'
    with pytest.raises(InvalidInput, match=r"\[tool\.uv\.sources\] is not followed"):
        declaration_of({"pyproject.toml": text})


def test_dynamic_dependencies_are_refused() -> None:
    with pytest.raises(InvalidInput, match="dynamic"):
        declaration_of({"pyproject.toml": b'[project]\nname = "x"\ndynamic = ["dependencies"]\n'})


def test_equal_wishes_have_one_hash() -> None:
    one = EnvironmentSpec(requirements=("a", "b"))
    other = EnvironmentSpec(requirements=("b", "a", "a"))
    assert one.content_hash() == other.content_hash()
    assert one.content_hash() != EnvironmentSpec(requirements=("a", "b"), python="3.12").content_hash()
    assert EnvironmentSpec.from_json(one.to_json()) == one


@pytest.mark.parametrize(
    ("command", "script"),
    [
        ("python main.py --full", "main.py"),
        ("python -u ./jobs/x.py a.py", "jobs/x.py"),
        ("scrapy crawl quotes", None),
        ("python /etc/x.py", None),
        ("python ../x.py", None),
        ("python 'unclosed", None),
    ],
)
def test_the_script_is_found_in_the_command(command: str, script: str | None) -> None:
    assert script_of(command) == script
