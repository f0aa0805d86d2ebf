"""Which frameworks a project uses, by what its files import, and the web applications that it defines. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kumo.projects.detection.reading import MOST_SCRIPTS, ReadFile, module_of, text_of

_IMPORT = re.compile(r"^[ \t]*(?:import|from)[ \t]+([A-Za-z_]\w*)", re.MULTILINE)
_HEADER = re.compile(r"^# /// script[ \t]*$", re.MULTILINE)
_MOST_FILES = 20  # told of each kind
_APPLICATIONS: Final = {"FastAPI": "fastapi", "Starlette": "fastapi", "Flask": "flask"}

# By the module that is imported; in the order in which they are told.
_BY_MODULE: Final[Mapping[str, str]] = {
    "scrapy": "scrapy",
    "playwright": "playwright",
    "selenium": "selenium",
    "DrissionPage": "drissionpage",
    "fastapi": "fastapi",
    "starlette": "fastapi",
    "flask": "flask",
}
KINDS: Final = (*dict.fromkeys(_BY_MODULE.values()), "notebook", "pep723", "script")


@dataclass(frozen=True, kw_only=True)
class KindFound:
    """One thing that the project is, and the files that say so, the first of them."""

    name: str
    files: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Application:
    """A web application that a module defines at its top."""

    kind: str  # "fastapi" or "flask"
    module: str
    variable: str


def kinds_of(paths: Sequence[str], read: ReadFile) -> list[KindFound]:
    """What a project is; a plain script is one that is nothing else."""
    files: dict[str, list[str]] = {}
    for path in _python_files(paths):
        text = text_of(read, path) or ""
        for name in dict.fromkeys(_BY_MODULE[m] for m in _IMPORT.findall(text) if m in _BY_MODULE):
            files.setdefault(name, []).append(path)
        if _HEADER.search(text):
            files.setdefault("pep723", []).append(path)
    if "scrapy.cfg" in paths:
        files.setdefault("scrapy", []).insert(0, "scrapy.cfg")
    if found := notebooks(paths):
        files["notebook"] = found
    if not files and (scripts := _python_files(paths)):
        files["script"] = list(scripts)
    return [KindFound(name=name, files=tuple(files[name][:_MOST_FILES])) for name in KINDS if name in files]


def applications(paths: Sequence[str], read: ReadFile) -> Iterator[Application]:
    """The web applications of modules that can be imported from the project's folder."""
    for path in _python_files(paths):
        parts = path.removesuffix(".py").removesuffix("/__init__").split("/")
        text = text_of(read, path)
        if not all(part.isidentifier() for part in parts) or text is None:
            continue
        if any(f"{name}(" in text for name in _APPLICATIONS):  # parsing takes longer than looking
            yield from _defined_in(module_of(text), ".".join(parts))


def notebooks(paths: Sequence[str]) -> list[str]:
    """The notebooks that a person made."""
    return [path for path in paths if path.endswith(".ipynb") and ".ipynb_checkpoints" not in path.split("/")]


def _python_files(paths: Sequence[str]) -> list[str]:
    return [path for path in paths if path.endswith(".py")][:MOST_SCRIPTS]


def _defined_in(module: ast.Module | None, name: str) -> Iterator[Application]:
    for statement in module.body if module is not None else ():
        if not (isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call)):
            continue
        called = statement.value.func
        what = called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else ""
        if what in _APPLICATIONS:
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    yield Application(kind=_APPLICATIONS[what], module=name, variable=target.id)
