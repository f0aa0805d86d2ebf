"""What a project looks like it needs and how it looks like it is run: suggestions, from its files alone.

Nothing is imported or executed; Python is parsed, and only as much of it as can be in reasonable time.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kumo.projects.detection.kinds import KindFound, applications, kinds_of, notebooks
from kumo.projects.detection.reading import MOST_SCRIPTS, ReadFile, module_of, plain_string, text_of, toml_of
from kumo.projects.detection.starting import python_command

_USUAL_SCRIPTS = ("main.py", "app.py", "run.py")
_MOST_COMMANDS = 50  # told at most
_MAIN = re.compile(r"^if\s*\(?\s*__name__\s*==|^if\s*\(?\s*[\"']__main__[\"']\s*==", re.MULTILINE)
_BLOCK_START = re.compile(r"^# /// script[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class DeclaredEnvironment:
    """Where the project says what it needs; None when nowhere."""

    source: str | None  # "pep723", "uv.lock", "pyproject.toml", "requirements.txt" or "environment.yml"
    python: str | None  # as written there: ">=3.11", "3.12"


@dataclass(frozen=True, kw_only=True)
class Detection:
    """What was found."""

    environment: DeclaredEnvironment
    commands: tuple[str, ...]
    kinds: tuple[KindFound, ...] = ()
    spiders: tuple[str, ...] = ()  # of a Scrapy project, by their names


def detect(paths: Sequence[str], read: ReadFile) -> Detection:
    """Look at a project: `paths` are all its files, `read` gives the content of one."""
    spiders = tuple(_spiders(paths, read)) if "scrapy.cfg" in paths else ()
    commands = tuple(dict.fromkeys(_commands(paths, read, spiders)))[:_MOST_COMMANDS]
    return Detection(
        environment=_environment(paths, read, commands),
        commands=commands,
        kinds=tuple(kinds_of(paths, read)),
        spiders=spiders,
    )


# --- environment -----------------------------------------------------------------------------------------------------


def _environment(paths: Sequence[str], read: ReadFile, commands: Sequence[str]) -> DeclaredEnvironment:
    there = frozenset(paths)
    pyproject = toml_of(text_of(read, "pyproject.toml")) if "pyproject.toml" in there else None
    project = (pyproject or {}).get("project")
    project = project if isinstance(project, dict) else {}
    python = plain_string(project.get("requires-python")) or _pinned_python(there, read)
    if pyproject is not None and "uv.lock" in there:
        return DeclaredEnvironment(source="uv.lock", python=python)
    if project.get("dependencies"):
        return DeclaredEnvironment(source="pyproject.toml", python=python)
    if "requirements.txt" in there:
        return DeclaredEnvironment(source="requirements.txt", python=python)
    if (header := _script_header(read, commands)) is not None:
        return DeclaredEnvironment(source="pep723", python=plain_string(header.get("requires-python")) or python)
    if there.intersection(("environment.yml", "environment.yaml")):
        return DeclaredEnvironment(source="environment.yml", python=None)
    return DeclaredEnvironment(source="pyproject.toml" if project else None, python=python)


def _pinned_python(there: frozenset[str], read: ReadFile) -> str | None:
    text = text_of(read, ".python-version") if ".python-version" in there else None
    first = (text or "").strip().split("\n", 1)[0].strip()
    return first if re.fullmatch(r"3\.\d{1,3}(\.\d{1,3})?", first) else None


def _script_header(read: ReadFile, commands: Sequence[str]) -> dict[str, Any] | None:
    """The inline metadata (PEP 723) of the first suggested script that has it."""
    for command in commands:
        words = shlex.split(command)
        text = text_of(read, words[1]) if words[0] == "python" else None
        if text is not None and (start := _BLOCK_START.search(text)):
            return toml_of(_comment_block(text[start.end() + 1 :]))
    return None


def _comment_block(text: str) -> str | None:
    lines: list[str] = []
    for line in text.split("\n"):
        if line.rstrip() == "# ///":
            return "\n".join(lines)
        if not line.startswith("#"):
            return None
        lines.append(line.removeprefix("#").removeprefix(" "))
    return None


# --- commands --------------------------------------------------------------------------------------------------------


def _commands(paths: Sequence[str], read: ReadFile, spiders: Sequence[str]) -> Iterator[str]:
    yield from (f"scrapy crawl {shlex.quote(name)}" for name in spiders if name[0] != "-")
    yield from map(python_command, _scripts(paths, read))
    yield from (f"python -m {package}" for package in _packages_to_start(paths))
    for app in applications(paths, read):
        if app.kind == "fastapi":
            yield f"uvicorn {app.module}:{app.variable} --host 127.0.0.1 --port 8001"
        else:
            yield f"flask --app {app.module}:{app.variable} run --host 127.0.0.1 --port 8001"
    yield from (f"jupyter execute {shlex.quote(f'./{path}')}" for path in notebooks(paths))


def _packages_to_start(paths: Sequence[str]) -> Iterator[str]:
    for path in paths:
        package, _, name = path.rpartition("/")
        if name == "__main__.py" and package.isidentifier():
            yield package


def _spiders(paths: Sequence[str], read: ReadFile) -> list[str]:
    names: set[str] = set()
    modules = [path for path in paths if path.endswith(".py") and "spiders" in path.split("/")[:-1]]
    for path in modules[:MOST_SCRIPTS]:
        module = module_of(text_of(read, path))
        classes = [node for node in module.body if isinstance(node, ast.ClassDef)] if module is not None else []
        names.update(name for node in classes if (name := _name_of_spider(node)))
    return sorted(names)


def _name_of_spider(spider: ast.ClassDef) -> str | None:
    """The `name = "…"` in a class's body."""
    for statement in spider.body:
        targets: list[ast.expr] = []
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        else:
            continue
        value = statement.value
        if any(isinstance(target, ast.Name) and target.id == "name" for target in targets) and isinstance(
            value, ast.Constant
        ):
            return plain_string(value.value)
    return None


def _scripts(paths: Sequence[str], read: ReadFile) -> list[str]:
    """The scripts that look as if they were made to be started: the usual names first."""
    python = [path for path in paths if path.endswith(".py")]
    top = [path for path in python if "/" not in path]
    usual = [name for name in _USUAL_SCRIPTS if name in top]
    others = [path for path in top[:MOST_SCRIPTS] if path not in usual and _starts_itself(text_of(read, path))]
    if usual or others:
        return usual + others
    if len(python) == 1:
        return python
    deeper = [path for path in python[:MOST_SCRIPTS] if _starts_itself(text_of(read, path))]
    return deeper if len(deeper) == 1 else []


def _starts_itself(text: str | None) -> bool:
    """Whether a module has an `if __name__ == "__main__":`."""
    if text is None or not _MAIN.search(text) or (module := module_of(text)) is None:
        return False
    return any(isinstance(node, ast.If) and _is_main_test(node.test) for node in module.body)


def _is_main_test(test: ast.expr) -> bool:
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)):
        return False
    sides = (test.left, test.comparators[0])
    has_name = any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides)
    return has_name and any(isinstance(side, ast.Constant) and side.value == "__main__" for side in sides)
