"""What the documentation lists is what the program has: neither more nor less."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from kumo.cli import app
from kumo.environments.states import BuildState
from kumo.errors import KumoError
from kumo.http import STATUS_OF_CODE
from kumo.runs.states import TRANSITIONS, RunState
from kumo.schedules.decisions import Skip
from kumo.settings import Settings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def rows(path: Path) -> list[str]:
    """The first cell of every row of the tables of a page, code marks left out."""
    lines = path.read_text("utf-8").splitlines()
    return [line.split("|")[1].strip().strip("`") for line in lines if line.startswith("| ")]


def test_every_setting_is_documented_and_no_other() -> None:
    documented = {name for name in rows(DOCS / "operating/settings.md") if name.startswith("KUMO_")}
    assert documented == {f"KUMO_{name.upper()}" for name in Settings.model_fields}


def test_plain_defaults_of_settings_are_documented_as_they_are() -> None:
    page = (DOCS / "operating/settings.md").read_text("utf-8")
    documented = dict(re.findall(r"^\| `KUMO_(\w+)` \| (.+?) \|", page, re.MULTILINE))
    for name, field in Settings.model_fields.items():
        said = documented[name.upper()].strip("`")
        if field.default is None:
            assert said == "none", name
        elif isinstance(field.default, bool):
            assert said == str(field.default).lower(), name
        elif "iB" in said:
            number, unit = said.split()
            assert int(number) * {"MiB": 1 << 20, "GiB": 1 << 30}[unit] == field.default, name
        elif isinstance(field.default, int | str):
            assert said == str(field.default), name


def test_every_error_code_is_documented_with_its_status() -> None:
    page = (DOCS / "errors.md").read_text("utf-8")
    documented = dict(re.findall(r"^\| `(\w+)` \| (\d{3}) \|", page, re.MULTILINE))
    assert {code: int(status) for code, status in documented.items()} == STATUS_OF_CODE


def test_every_error_has_a_documented_code() -> None:
    classes = KumoError.__subclasses__()
    # What keeps Kumo from starting is never an answer of its API.
    assert {c.code for c in classes} - {"configuration_error"} <= set(STATUS_OF_CODE)


def test_the_drawing_of_a_runs_life_equals_the_table_of_moves() -> None:
    page = (DOCS / "run-lifecycle.md").read_text("utf-8")
    drawing = page.split("```mermaid")[1].split("```")[0]
    drawn = set(re.findall(r"(\S+) --> (\S+)", drawing))
    moves = {(str(source), str(target)) for source, targets in TRANSITIONS.items() for target in targets}
    ends = {(str(state), "[*]") for state in RunState if state.is_final}
    assert drawn == moves | ends | {("[*]", "queued")}


def test_every_state_and_every_reason_of_a_skipped_slot_is_explained() -> None:
    explained = set(rows(DOCS / "run-lifecycle.md"))
    assert set(RunState) | set(Skip) <= explained


def test_every_state_of_a_build_is_explained() -> None:
    assert set(BuildState) <= set(rows(DOCS / "environments.md"))


def test_every_package_of_kumo_has_its_line_in_the_architecture() -> None:
    described = set(re.findall(r"`(\w+)`", " ".join(rows(DOCS / "architecture.md"))))
    described |= {name.strip("`") for cell in rows(DOCS / "architecture.md") for name in cell.split("`, `")}
    modules = {
        path.stem for path in (ROOT / "kumo").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert {module for module in modules if not module.startswith("__")} <= described


def test_every_dependency_is_argued_and_no_other() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    running, conda, developing, _web = (DOCS / "dependencies.md").read_text("utf-8").split("\n## ")[1:]
    for page, groups in (
        (running, [project["project"]["dependencies"]]),
        (conda, [project["project"]["optional-dependencies"]["conda"]]),
        (developing, project["dependency-groups"].values()),
    ):
        names = {re.split(r"[\[<>=~ ]", line)[0] for group in groups for line in group}
        cells = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
        stubs = {name for name in names if name.startswith("types-")}
        assert set(re.findall(r"`([^`]+)`", " ".join(cells))) == names - stubs


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_every_command_is_listed_and_no_other(page: str) -> None:
    commands = get_command(app)
    assert isinstance(commands, TyperGroup)
    listed = {name for row in rows(ROOT / page) for name in re.findall(r"(?:^|`)kumo (\w+)", row)}
    assert listed == set(commands.commands)


def test_every_decision_is_listed() -> None:
    listed = (DOCS / "decisions/README.md").read_text("utf-8")
    for path in DOCS.glob("decisions/0*.md"):
        assert f"({path.name})" in listed


PAGES = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_code_named_by_a_page_exists() -> None:
    for page in PAGES:
        for name in re.findall(r"`(kumo(?:\.\w+)+)(?<!\.lock)(?<!\.toml)`", page.read_text("utf-8")):
            assert _exists(name), f"{page.name} names {name}"
        for path in re.findall(r"`((?:kumo|tests|scripts|web|docs)/[\w./-]+)`", page.read_text("utf-8")):
            assert path == "kumo/web" or (ROOT / path).exists(), f"{page.name} names {path}"


def _exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
