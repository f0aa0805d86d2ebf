"""Adding packages to what an environment asks for, and taking some away. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from kumo.environments.needs.definition import EnvironmentDefinition
from kumo.environments.needs.requirements import logical_lines, parse_packages
from kumo.errors import Conflict, InvalidInput


class HeldByOthers(Conflict):
    """What an environment holds is not its own to change."""

    def __init__(self, definition: EnvironmentDefinition) -> None:
        where = {
            "project": "what its project declares; change the project's files",
            "conda": "what its environment.yml asks for; change that",
            "interpreter": "what its interpreter has; install it there",
        }[definition.source]
        super().__init__(f"Environment {definition.name!r} holds {where}.")


def edited(
    definition: EnvironmentDefinition, *, add: Sequence[str], remove: Sequence[str], installed: Collection[str]
) -> EnvironmentDefinition:
    """The definition with packages added and removed; one that is there already takes what is added in its place.

    `installed` are the names in the build in use: they tell what is only there because others need it.
    """
    if definition.source not in ("packages", "requirements"):
        raise HeldByOthers(definition)
    if not add and not remove:
        raise InvalidInput.at("add", "Name packages to add, or to remove.")
    added = parse_packages(add, field="add")
    unwanted = [canonicalize_name(name.strip()) for name in remove]
    replaced = {_name(line) for line in added}
    if both := replaced.intersection(unwanted):
        raise InvalidInput.at("remove", f"“{min(both)}” cannot be added and removed at once.")
    if definition.requirements is not None:
        text, names = _without(definition.requirements, {*replaced, *unwanted})
        _refuse_unknown(unwanted, names, installed)
        return replace(definition, requirements="".join(f"{line}\n" for line in (*text, *added)))
    before = definition.packages or ()
    _refuse_unknown(unwanted, {_name(line) for line in parse_packages(before)}, installed)
    kept = [line for line in parse_packages(before) if _name(line) not in {*replaced, *unwanted}]
    return replace(definition, packages=(*kept, *added))


def _without(text: str, names: Collection[str]) -> tuple[list[str], set[str]]:
    """The lines of a requirements text but those of some packages, comments and all; and the names that it has."""
    lines = text.removeprefix("\ufeff").splitlines()
    found, gone = set(), set[int]()
    for line in logical_lines(text, "requirements"):
        name = _name(line.text)
        found.add(name)
        if name in names:
            number = line.number - 1
            gone.add(number)
            while lines[number].endswith("\\") and number + 1 < len(lines):
                number += 1
                gone.add(number)
    return [line for number, line in enumerate(lines) if number not in gone], found


def _refuse_unknown(unwanted: Sequence[str], names: Collection[str], installed: Collection[str]) -> None:
    for number, name in enumerate(unwanted):
        if name not in names:
            needed = "another package needs it" if name in installed else "the environment does not have it"
            raise InvalidInput.at(f"remove.{number}", f"“{name}” is not asked for and cannot be removed: {needed}.")


def _name(line: str) -> str:
    return canonicalize_name(Requirement(line.split(" --hash", 1)[0]).name)
