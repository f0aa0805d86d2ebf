"""What a person decides about an environment, and what it comes to. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kumo.environments.pythons import parse_python_request
from kumo.environments.requirements import parse_packages, parse_requirements
from kumo.environments.spec import EnvironmentSpec, check_index_url
from kumo.errors import InvalidInput

LONGEST_NAME = 100


@dataclass(frozen=True, kw_only=True)
class EnvironmentDefinition:
    """Everything that a person decides about an environment; exactly one of the last three is given."""

    name: str
    python: str | None = None
    index_url: str | None = None
    packages: tuple[str, ...] | None = None
    requirements: str | None = None
    project_id: int | None = None

    @property
    def source(self) -> str:
        """Which of the three says what is needed."""
        if self.project_id is not None:
            return "project"
        return "packages" if self.requirements is None else "requirements"


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a project's state declares, as it was read outside the transaction."""

    snapshot_id: int
    spec: EnvironmentSpec


def checked(definition: EnvironmentDefinition) -> EnvironmentDefinition:
    """The definition in its normal form; `InvalidInput` names the field that is wrong."""
    name = definition.name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidInput.at("name", f"A name has 1 to {LONGEST_NAME} characters, all of them visible.")
    spec = spec_of(definition)
    return replace(definition, name=name, python=spec.python, index_url=spec.index_url)


def spec_of(definition: EnvironmentDefinition, declared: EnvironmentSpec | None = None) -> EnvironmentSpec:
    """What to build: the definition's own packages, or what its project declares under the definition's Python."""
    python = None if definition.python is None else parse_python_request(definition.python).text
    index_url = None if definition.index_url is None else check_index_url(definition.index_url)
    if definition.project_id is not None:
        declared = declared or EnvironmentSpec()
        return replace(declared, python=python or declared.python, index_url=index_url)
    if definition.requirements is not None:
        requirements = parse_requirements(definition.requirements)
    else:
        requirements = parse_packages(definition.packages or ())
    return EnvironmentSpec(python=python, index_url=index_url, requirements=requirements)
