"""What a person decides about an environment, and what it comes to. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from kumo.environments.needs.addresses import check_index_url, check_proxy, check_wheel_folder
from kumo.environments.needs.environment_yml import conda_spec
from kumo.environments.needs.python_request import parse_python_request
from kumo.environments.needs.requirements import parse_packages, parse_requirements
from kumo.environments.needs.spec import EnvironmentSpec
from kumo.errors import InvalidInput

LONGEST_NAME = 100
_ACCESS = ("index_url", "extra_index_urls", "proxy", "wheel_folder", "use_index", "import_check")


@dataclass(frozen=True, kw_only=True)
class EnvironmentDefinition:
    """Everything that a person decides about an environment; exactly one of the last five is given."""

    name: str
    python: str | None = None
    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    proxy: str | None = None
    wheel_folder: str | None = None
    use_index: bool = True
    import_check: bool = True
    packages: tuple[str, ...] | None = None
    requirements: str | None = None
    environment_yml: str | None = None
    project_id: int | None = None
    interpreter_id: int | None = None
    interpreter_path: str | None = None  # of the one above

    @property
    def source(self) -> str:
        """Which of the five says what is needed."""
        if self.interpreter_id is not None:
            return "interpreter"
        if self.project_id is not None:
            return "project"
        if self.environment_yml is not None:
            return "conda"
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
    said = {field: getattr(spec, field) for field in ("python", *_ACCESS)}
    return replace(definition, name=name, **said)


def spec_of(definition: EnvironmentDefinition, declared: EnvironmentSpec | None = None) -> EnvironmentSpec:
    """What to build: the definition's own packages, or what its project declares under the definition's Python."""
    if definition.interpreter_id is not None:
        if definition.python is not None:
            raise InvalidInput.at("python", "A Python that is used as it is has its version already; leave this out.")
        return EnvironmentSpec(backend="existing", interpreter=definition.interpreter_path)
    python = None if definition.python is None else parse_python_request(definition.python).text
    access = _access(definition)
    if definition.project_id is not None:
        declared = declared or EnvironmentSpec()
        return replace(declared, python=python or declared.python, **access)
    if definition.environment_yml is not None:
        return replace(conda_spec(definition.environment_yml), python=python, **access)
    if definition.requirements is not None:
        requirements = parse_requirements(definition.requirements)
    else:
        requirements = parse_packages(definition.packages or ())
    return EnvironmentSpec(python=python, requirements=requirements, **access)


def _access(definition: EnvironmentDefinition) -> dict[str, Any]:
    """Where its packages come from, each in its normal form."""
    of = definition
    if not of.use_index and of.wheel_folder is None:
        raise InvalidInput.at("wheel_folder", "Without an index, name the directory that holds the wheels.")
    extra = tuple(check_index_url(url, field=f"extra_index_urls.{at}") for at, url in enumerate(of.extra_index_urls))
    return {
        "index_url": None if of.index_url is None else check_index_url(of.index_url),
        "extra_index_urls": tuple(dict.fromkeys(extra)),
        "proxy": None if of.proxy is None else check_proxy(of.proxy, instead="Give both as index_credentials."),
        "wheel_folder": None if of.wheel_folder is None else check_wheel_folder(of.wheel_folder),
        "use_index": of.use_index,
        "import_check": of.import_check,
    }
