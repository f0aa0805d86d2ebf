"""What a project itself says that it needs: its script's header, its lock, its requirements. Pure but for the reader.

The first of these that is there decides:

1. the PEP 723 header of the script that the command runs;
2. `pyproject.toml` with `uv.lock`;
3. `pyproject.toml` with dependencies in `[project]`;
4. `requirements.txt`, with the files of the project that it names;
5. `environment.yml`, or `environment.yaml`.
"""

from __future__ import annotations

import posixpath
import re
import shlex
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from kumo.environments.needs.environment_yml import conda_spec
from kumo.environments.needs.python_request import parse_python_request
from kumo.environments.needs.requirements import check_requirement, include_of, logical_lines, parse_packages
from kumo.environments.needs.spec import EnvironmentSpec
from kumo.errors import InvalidInput

ReadFile = Callable[[str], bytes | None]

_BLOCK = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)[ \t]*$\s(?P<content>(^#(| .*)$\s)+)^# ///[ \t]*$")
_TOML_LINE = re.compile(r"\(at line (\d+), column \d+\)")
_PLAIN_VERSION = re.compile(r"3\.\d{1,3}(\.\d{1,3})?")
_MOST_INCLUDES = 50


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What a project declares, and where it says so."""

    source: str  # "pep723", "uv.lock", "pyproject.toml", "requirements.txt" or "environment.yml"
    spec: EnvironmentSpec


def declaration_of(files: Mapping[str, bytes] | ReadFile, script: str | None = None) -> Declaration | None:
    """What the project declares; None when it declares nothing.

    `files` gives the content of a path in the project, `script` is the path of the script that will run.
    Raises `InvalidInput` that names the file and the line of what cannot be used.
    """
    read: ReadFile = files if callable(files) else files.get
    if script is not None and (text := _text(read, script)) is not None and (found := _script_header(text, script)):
        return found
    project = _pyproject(read)
    return (
        _locked(read, project)
        or _with_dependencies(read, project)
        or _requirements_file(read, project)
        or _environment_yml(read)
        or _without_dependencies(read, project)
    )


def direct_requirements(spec: EnvironmentSpec) -> list[Requirement]:
    """What a spec asks for by name; of a locked project that is what its `pyproject.toml` lists."""
    if spec.pyproject is None:
        return [Requirement(line.split(" --hash=")[0]) for line in spec.requirements]
    found = []
    for line in tomllib.loads(spec.pyproject).get("project", {}).get("dependencies", []):
        with suppress(InvalidRequirement):  # uv has read the lock, not this
            found.append(Requirement(line))
    return found


def script_of(command: str) -> str | None:
    """The script that a command runs, as a path in the project: the first argument that is a Python file."""
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    for word in words:
        path = posixpath.normpath(word)
        if path.endswith(".py") and not path.startswith(("/", "../")):
            return path
    return None


def _text(read: ReadFile, path: str) -> str | None:
    content = read(path)
    if content is None:
        return None
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidInput.at(path, f"{path}, line {line}: this file is not UTF-8 text; save it as UTF-8.") from None


def _toml(text: str, path: str, *, first_line: int = 1) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _TOML_LINE.search(str(error))
        line = first_line - 1 + (int(place[1]) if place else text.count("\n") + 1)
        why = _TOML_LINE.sub("", str(error)).strip()
        raise InvalidInput.at(path, f"{path}, line {line}: this is not valid TOML ({why}).") from None


# --- the header of a script ------------------------------------------------------------------------------------------


def _script_header(text: str, path: str) -> Declaration | None:
    blocks = [block for block in _BLOCK.finditer(text) if block["type"] == "script"]
    if not blocks:
        if (number := _unclosed_header(text)) is not None:
            message = f"{path}, line {number}: the header “# /// script” has no end; close it with a line “# ///”."
            raise InvalidInput.at(path, message)
        return None
    if len(blocks) > 1:
        line = text.count("\n", 0, blocks[1].start()) + 1
        raise InvalidInput.at(path, f"{path}, line {line}: a script may have one “# /// script” header only.")
    content = "".join(
        line[2:] if line.startswith("# ") else line[1:] for line in blocks[0]["content"].splitlines(keepends=True)
    )
    first_line = text.count("\n", 0, blocks[0].start()) + 2
    header = _toml(content, path, first_line=first_line)
    where = f"{path}, line {first_line - 1}: in the header"
    _refuse_sources(header, path, where, advice="name the package's address there: name @ https://…")
    spec = EnvironmentSpec(
        python=_python(header.get("requires-python"), path, f"{where}, requires-python"),
        requirements=_dependencies(header.get("dependencies", []), path, f"{where}, dependencies"),
    )
    return Declaration(source="pep723", spec=spec)


def _unclosed_header(text: str) -> int | None:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.rstrip() == "# /// script":
            return number
    return None


# --- pyproject.toml --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Pyproject:
    text: str
    document: dict[str, Any]

    @property
    def project(self) -> dict[str, Any] | None:
        table = self.document.get("project")
        return table if isinstance(table, dict) else None


def _pyproject(read: ReadFile) -> _Pyproject | None:
    text = _text(read, "pyproject.toml")
    return None if text is None else _Pyproject(text=text, document=_toml(text, "pyproject.toml"))


def _locked(read: ReadFile, pyproject: _Pyproject | None) -> Declaration | None:
    if pyproject is None or pyproject.project is None or (lock := _text(read, "uv.lock")) is None:
        return None
    _toml(lock, "uv.lock")
    python = _project_python(read, pyproject.project)
    return Declaration(source="uv.lock", spec=EnvironmentSpec(python=python, pyproject=pyproject.text, uv_lock=lock))


def _with_dependencies(read: ReadFile, pyproject: _Pyproject | None) -> Declaration | None:
    if pyproject is None or pyproject.project is None or not pyproject.project.get("dependencies"):
        return None
    where = "pyproject.toml, [project]"
    _refuse_sources(pyproject.document, "pyproject.toml", "pyproject.toml:", advice="run `uv lock` and keep uv.lock")
    requirements = _dependencies(pyproject.project["dependencies"], "pyproject.toml", f"{where} dependencies")
    spec = EnvironmentSpec(python=_project_python(read, pyproject.project), requirements=requirements)
    return Declaration(source="pyproject.toml", spec=spec)


def _without_dependencies(read: ReadFile, pyproject: _Pyproject | None) -> Declaration | None:
    """A project that needs nothing but a certain Python."""
    if pyproject is None or pyproject.project is None:
        return None
    if "dependencies" in pyproject.project.get("dynamic", []):
        message = "pyproject.toml: dependencies that are “dynamic” cannot be read; list them, or run `uv lock`."
        raise InvalidInput.at("pyproject.toml", message)
    spec = EnvironmentSpec(python=_project_python(read, pyproject.project))
    return Declaration(source="pyproject.toml", spec=spec)


def _project_python(read: ReadFile, project: dict[str, Any]) -> str | None:
    return _pinned_python(read) or _python(
        project.get("requires-python"), "pyproject.toml", "pyproject.toml, [project] requires-python"
    )


def _pinned_python(read: ReadFile) -> str | None:
    """The version in `.python-version`; names that only other tools know (“pypy3.10”, “system”) say nothing here."""
    text = _text(read, ".python-version") or ""
    lines = [line for line in text.split() if not line.startswith("#")]
    return lines[0] if lines and _PLAIN_VERSION.fullmatch(lines[0]) else None


def _python(value: object, path: str, where: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidInput.at(path, f"{where}: write a text such as “>=3.11”.")
    try:
        return parse_python_request(value).text
    except InvalidInput as error:
        raise InvalidInput.at(path, f"{where}: {error.message}") from None


def _dependencies(value: object, path: str, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise InvalidInput.at(path, f"{where}: write a list of texts, such as [“requests>=2.31”].")
    try:
        return parse_packages(value)
    except InvalidInput as error:
        raise InvalidInput.at(path, f"{where}: {error.message}") from None


def _refuse_sources(document: dict[str, Any], path: str, where: str, *, advice: str) -> None:
    """Say so instead of installing another package than the author means."""
    tool = document.get("tool")
    uv = tool.get("uv") if isinstance(tool, dict) else None
    if isinstance(uv, dict):
        for table in ("sources", "index"):
            if uv.get(table):
                raise InvalidInput.at(path, f"{where} [tool.uv.{table}] is not followed; {advice}.")


# --- requirements.txt ------------------------------------------------------------------------------------------------


@dataclass
class _RequirementsReader:
    """Collects the requirements of one file and of those that it names, each file once."""

    read: ReadFile
    requirements: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    seen: set[tuple[str, bool]] = field(default_factory=set)

    def follow(self, path: str, text: str, *, constraint: bool) -> None:
        """Take up one file."""
        self.seen.add((path, constraint))
        for line in logical_lines(text, path):
            where = f"{path}, line {line.number}: "
            if include := include_of(line):
                self._include(path, include.path, where, constraint=constraint or include.constraint)
                continue
            found = check_requirement(line.text, path, where)
            (self.constraints if constraint else self.requirements).append(found)

    def _include(self, path: str, named: str, where: str, *, constraint: bool) -> None:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), named))
        if "://" in named or target.startswith(("/", "..")):
            raise InvalidInput.at(
                path, f"{where}“{named}” is not in the project; only the project's own files are read."
            )
        if (target, constraint) in self.seen:
            return
        if len(self.seen) > _MOST_INCLUDES:
            raise InvalidInput.at(path, f"{where}too many files name one another.")
        text = _text(self.read, target)
        if text is None:
            raise InvalidInput.at(path, f"{where}“{named}” is not in the project.")
        self.follow(target, text, constraint=constraint)


def _requirements_file(read: ReadFile, pyproject: _Pyproject | None) -> Declaration | None:
    text = _text(read, "requirements.txt")
    if text is None:
        return None
    reader = _RequirementsReader(read)
    reader.follow("requirements.txt", text, constraint=False)
    project = pyproject.project if pyproject else None
    spec = EnvironmentSpec(
        python=_project_python(read, project or {}),
        requirements=tuple(reader.requirements),
        constraints=tuple(reader.constraints),
    )
    return Declaration(source="requirements.txt", spec=spec)


# --- environment.yml -------------------------------------------------------------------------------------------------


def _environment_yml(read: ReadFile) -> Declaration | None:
    for path in ("environment.yml", "environment.yaml"):
        if (text := _text(read, path)) is not None:
            return Declaration(source="environment.yml", spec=conda_spec(text, at=path, path=path))
    return None
