"""Reading the text of an `environment.yml`, as people write it for conda. Pure.

Everything is read as text, and nothing is made of it by YAML's own rules: `3.10` stays what was written. Anchors and
tags, with which a few lines can become gigabytes or Python's objects, are refused before anything is put together.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import ModuleType
from typing import Any, NoReturn
from urllib.parse import urlsplit

from kumo.environments.needs.addresses import check_index_url
from kumo.environments.needs.requirements import parse_packages
from kumo.environments.needs.spec import EnvironmentSpec
from kumo.errors import InvalidInput

LONGEST_TEXT = 128 * 1024
_DEEPEST = 10
_SHOWN = 60
_NEEDED = ("rattler", "yaml")
CONDA_IS_MISSING = (
    "Kumo was installed without what conda packages need. Install it on the server with "
    "pip install 'kumo-scheduler[conda]', then restart Kumo."
)

_CHANNEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_PACKAGE = re.compile(
    r"(?:(?P<channel>[^\s:]+)::)?(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*)(?:[\s=<>!~\[][A-Za-z0-9_.+*=<>!~,|\s\[\]'\"-]*)?"
)


def conda_spec(text: str, *, at: str = "environment_yml", path: str | None = None) -> EnvironmentSpec:
    """What the text asks for; `InvalidInput` at the field `at` names the line, and the file where there is a `path`."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise InvalidInput.at(at, f"{path}: {CONDA_IS_MISSING}" if path else CONDA_IS_MISSING)
    if len(text) > LONGEST_TEXT:
        raise InvalidInput.at(at, f"{path or 'The text'} has more than {LONGEST_TEXT // 1024} KiB.")
    reader = _Reader(at=at, path=path)
    reader.read(_compose(text, reader))
    return EnvironmentSpec(
        backend="conda",
        channels=tuple(dict.fromkeys(reader.channels)),
        conda_packages=tuple(reader.packages),
        requirements=tuple(reader.requirements),
        notes=tuple(reader.notes),
    )


def _compose(text: str, reader: _Reader) -> Any:
    """The tree of the text; its nodes are scalars, sequences and mappings that know their lines."""
    import yaml  # noqa: PLC0415 - of the extra, and read by those alone who use conda

    loader = _loader(yaml)
    try:
        depth = 0
        for event in yaml.parse(text, Loader=loader):
            line = event.start_mark.line
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
                reader.refuse(line, "anchors (“&”, “*”) are not read; write each entry out.")
            if getattr(event, "tag", None) is not None:
                reader.refuse(line, "tags (“!”) are not read; write the plain text.")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                reader.refuse(line, "the lists are nested too deeply.")
        return yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reader.refuse(0 if mark is None else mark.line, f"this is not valid YAML ({error.problem or error.context}).")
    except yaml.YAMLError:
        reader.refuse(0, "this is not valid YAML: it holds characters that cannot be shown.")


def _loader(yaml: ModuleType) -> Any:
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass
class _Reader:
    """Collects what the keys say."""

    at: str
    path: str | None
    channels: list[str] = field(default_factory=list)
    packages: list[str] = field(default_factory=list)
    requirements: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def refuse(self, line: int, problem: str) -> NoReturn:
        """Say on which line, counted from 0, something cannot be used."""
        where = f"{self.path}, line {line + 1}: " if self.path else f"Line {line + 1}: "
        raise InvalidInput.at(self.at, f"{where}{problem}")

    def read(self, root: Any) -> None:
        """Take up the whole text."""
        if root is None or root.id != "mapping":
            self.refuse(0, "an environment.yml begins with keys such as “channels:” and “dependencies:”.")
        entries = self._mapping(root)
        for key, (line, node) in entries.items():
            if key in ("name", "prefix"):
                self.notes.append(f"“{key}” of the environment.yml is not used: Kumo gives names and places itself.")
            elif key == "variables":
                self.refuse(line, "“variables” are not set by a build; give them to the project or the task instead.")
            elif key == "channels":
                self.channels += [found for each in self._sequence(key, node) if (found := self._channel(each))]
            elif key == "dependencies":
                self._dependencies(node)
            else:
                message = f"“{_shown(key)}” is not known here; “channels” and “dependencies” say what is needed."
                self.refuse(line, message)
        last = root.end_mark.line
        if not self.channels:
            self.refuse(last, "no channel is named; list at least one under “channels”, such as conda-forge.")
        if not self.packages:
            self.refuse(last, "no package is named; list at least “python” under “dependencies”.")

    def _dependencies(self, node: Any) -> None:
        for each in self._sequence("dependencies", node):
            if each.id == "mapping":
                for key, (line, entries) in self._mapping(each).items():
                    if key != "pip":
                        self.refuse(line, f"“{_shown(key)}” is not known here; only “pip:” can have a list of its own.")
                    for one in self._sequence(key, entries):
                        self._requirement(one)
            else:
                self._package(each)

    def _package(self, node: Any) -> None:
        text = self._scalar(node)
        found = _PACKAGE.fullmatch(text)
        if found is None:
            message = f"“{_shown(text)}” is no package; write a name with a version, such as numpy>=1.26."
            self.refuse(node.start_mark.line, message)
        if found["channel"] is not None and (channel := self._checked_channel(found["channel"], node)):
            self.channels.append(channel)
        self.packages.append(" ".join(text.split()))

    def _requirement(self, node: Any) -> None:
        try:
            self.requirements += parse_packages([self._scalar(node)])
        except InvalidInput as error:
            self.refuse(node.start_mark.line, error.message)

    def _channel(self, node: Any) -> str | None:
        return self._checked_channel(self._scalar(node), node)

    def _checked_channel(self, text: str, node: Any) -> str | None:
        line = node.start_mark.line
        if text == "nodefaults":
            return None
        if text == "defaults":
            self.refuse(line, "“defaults” stands for no certain channel; name one, such as conda-forge.")
        if "://" not in text:
            if _CHANNEL.fullmatch(text) is None:
                self.refuse(
                    line, f"“{_shown(text)}” is no channel; write a name, or an address with https:// before it."
                )
            return text
        if text.startswith("file://"):
            where = urlsplit(text)
            if where.netloc or not where.path.startswith("/") or ".." in PurePosixPath(where.path).parts:
                self.refuse(line, f"“{_shown(text)}” is no directory; write it as file:///srv/channel.")
            return text.rstrip("/")
        try:
            address = check_index_url(text).rstrip("/")
        except InvalidInput as error:
            message = error.message.replace("package index", "channel").replace("http://.", "http://, or file://.")
            self.refuse(line, message)
        if "/t/" in urlsplit(address).path:
            message = "the address holds a token, and would show it; give a user and a password as index_credentials."
            self.refuse(line, message)
        return address

    def _mapping(self, node: Any) -> dict[str, tuple[int, Any]]:
        found: dict[str, tuple[int, Any]] = {}
        for key, value in node.value:
            name, line = self._scalar(key), key.start_mark.line
            if name in found:
                self.refuse(line, f"“{_shown(name)}” stands here for the second time.")
            found[name] = line, value
        return found

    def _sequence(self, key: str, node: Any) -> list[Any]:
        if node.id == "scalar" and node.value in ("", "~", "null"):
            return []
        if node.id != "sequence":
            self.refuse(node.start_mark.line, f"write “{key}” as a list, each entry on a line that begins with “- ”.")
        entries: list[Any] = node.value
        return entries

    def _scalar(self, node: Any) -> str:
        if node.id != "scalar":
            self.refuse(node.start_mark.line, "write one name here, not a list.")
        text = str(node.value).strip()
        if not text.isprintable():
            self.refuse(node.start_mark.line, "write each entry on one line.")
        return text


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
