"""What an operator can set: read once at start, then frozen.

From weakest to strongest: the defaults here, `config.toml` in the data directory, a `.env` file in the working
directory, environment variables `KUMO_*`, the command line. `KUMO_<NAME>_FILE` names a file that holds the value,
for passwords that must not stand in the environment.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from kumo.errors import ConfigurationError

MIB = 1024 * 1024
GIB = 1024 * MIB

Port = Annotated[int, Field(ge=0, le=65535)]
Bytes = Annotated[int, Field(gt=0)]


class Settings(BaseSettings):
    """Kumo's settings; each field's description is what `docs/operating/settings.md` says of it."""

    model_config = SettingsConfigDict(
        env_prefix="KUMO_", env_file=".env", extra="ignore", frozen=True, validate_default=True
    )

    home: Path = Field(
        default_factory=lambda: platformdirs.user_data_path("kumo"),
        description="The data directory: database, projects, builds, logs.",
    )
    host: str = Field(default="127.0.0.1", description="The address that the server listens on.")
    port: Port = Field(default=8000, description="The port that the server listens on; 0 takes a free one.")
    database_url: str | None = Field(
        default=None,
        description="A PostgreSQL address, postgresql://user:password@host/name; SQLite in the data directory without.",
    )
    database_pool_size: Annotated[int, Field(ge=2, le=100)] = Field(
        default=8, description="How many database connections are kept for reading."
    )
    secret_key: SecretStr | None = Field(
        default=None,
        description="Encrypts secrets in the database; several are separated by commas, and the first one encrypts. "
        "Without it: the file secret.key of the data directory, made at the first start.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe line of the server's own log."
    )
    log_format: Literal["console", "json"] = Field(
        default="console", description="How the server's log lines look on its standard error; the file is JSON."
    )
    max_parallel_runs: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=32, description="How many runs go at once on this machine; further ones wait in the queue."
    )
    upload_max_bytes: Bytes = Field(default=512 * MIB, description="The largest archive that may be uploaded.")
    project_max_bytes: Bytes = Field(default=2 * GIB, description="The largest project, unpacked.")
    project_max_files: Annotated[int, Field(gt=0)] = Field(
        default=50_000, description="The most files that a project may hold."
    )
    file_max_bytes: Bytes = Field(
        default=16 * MIB, description="The largest single file that may be saved through the editor."
    )
    max_parallel_pulls: Annotated[int, Field(ge=1, le=100)] = Field(
        default=2, description="How many projects are pulled from git at once; further pulls wait in the queue."
    )
    git_timeout_seconds: Annotated[int, Field(ge=10, le=86_400)] = Field(
        default=600, description="How long one pull of a project from git may take."
    )
    git_ca_file: Path | None = Field(
        default=None,
        description="A file with the certificates (PEM) that git trusts over https, instead of the system's own.",
    )
    git_allow_local: bool = Field(
        default=False, description="Let projects follow repositories in directories of the server (file://)."
    )
    snapshot_keep_count: Annotated[int, Field(ge=1)] = Field(
        default=50, description="How many of its newest states are kept of each project, whatever their age."
    )
    snapshot_keep_days: Annotated[int, Field(ge=1, le=36_500)] = Field(
        default=90, description="How many days a state is kept after another one has taken its place."
    )
    trash_days: Annotated[int, Field(ge=1, le=3650)] = Field(
        default=30, description="How many days a deleted project can be restored before it is purged."
    )
    output_roots: str | None = Field(
        default=None,
        description="Directories below which projects may have their outputs, separated by colons; without, all have "
        "them below the data directory.",
    )
    max_parallel_builds: Annotated[int, Field(ge=1, le=100)] = Field(
        default=2, description="How many environments are built at once; further builds wait in the queue."
    )
    build_timeout_seconds: Annotated[int, Field(ge=10, le=86_400)] = Field(
        default=1800, description="How long the build of an environment may take."
    )
    unused_build_days: Annotated[int, Field(ge=0, le=3650)] = Field(
        default=14, description="How many days the directory of a build is kept that nothing uses any more."
    )
    package_index_url: str | None = Field(
        default=None,
        description="The package index (mirror) that environments are built from; uv's own default without.",
    )
    package_extra_index_urls: str | None = Field(
        default=None,
        description="Further package indexes, separated by white space; what they have is taken before the one above.",
    )
    package_credentials: SecretStr | None = Field(
        default=None,
        description="User names and passwords of package indexes and of the proxy: addresses with both in them, as "
        "https://user:password@example.org/simple, separated by white space.",
    )
    package_proxy: str | None = Field(default=None, description="The proxy through which packages are fetched.")
    package_wheel_folder: str | None = Field(
        default=None, description="A directory on the server with wheels, which are taken as if an index had them."
    )
    conda_channel_alias: str | None = Field(
        default=None, description="Where channels of conda are found that are named, not addressed, such as a mirror."
    )
    package_index_offline: bool = Field(
        default=False, description="Build environments from the cache only, without the network."
    )
    python_mirror_url: str | None = Field(
        default=None,
        description="Where Pythons are downloaded from when one is installed; the server of uv's makers without.",
    )
    session_hours: Annotated[int, Field(ge=1, le=24 * 365)] = Field(
        default=24 * 14, description="How long a sign-in lasts without use."
    )
    example: bool = Field(
        default=False, description="Bring an example project with two tasks on the first start of an empty directory."
    )
    admin_username: str | None = Field(
        default=None, description="With the password: creates the first account at start, for automation."
    )
    admin_password: SecretStr | None = Field(default=None, description="The first account's password.")

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("output_roots")
    @classmethod
    def _absolute_roots(cls, value: str | None) -> str | None:
        for root in _split_paths(value):
            if not root.is_absolute() or ".." in root.parts or root == Path("/"):
                raise ValueError(f"must name absolute directories other than /, and {root} is none")
        return value

    @property
    def allowed_output_roots(self) -> list[Path]:
        """The directories below which projects may have their outputs, beside the data directory."""
        return _split_paths(self.output_roots)

    @field_validator("database_url")
    @classmethod
    def _postgresql_only(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("postgresql://", "postgres://")):
            raise ValueError("must start with postgresql:// (leave it out for SQLite)")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Say which source beats which; the strongest first."""
        return (
            init_settings,
            env_settings,
            dotenv_settings,
            TomlConfigSettingsSource(
                settings_cls, _home_of(init_settings, env_settings, dotenv_settings) / "config.toml"
            ),
        )


def _split_paths(value: str | None) -> list[Path]:
    return [Path(part.strip()) for part in (value or "").split(os.pathsep) if part.strip()]


def _home_of(*sources: PydanticBaseSettingsSource) -> Path:
    """Where `config.toml` lies: the data directory must be known before the file in it is read."""
    for source in sources:
        if home := source().get("home"):
            return Path(home).expanduser()
    return platformdirs.user_data_path("kumo")


def load_settings(**overrides: Any) -> Settings:
    """Read the settings; a wrong value is one sentence that names it.

    `overrides` come from the command line; those that are None were not given.
    """
    given = _values_from_files() | {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        wrong = "; ".join(f"{_setting_name(e['loc'])}: {_sentence(e['msg'])}" for e in error.errors())
        raise ConfigurationError(f"A setting is wrong. {wrong}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"config.toml in the data directory is not valid TOML: {error}.") from None
    except OSError as error:
        raise ConfigurationError(f"{error.filename} cannot be read: {error.strerror}.") from None


def _values_from_files() -> dict[str, str]:
    values = {}
    for name in Settings.model_fields:
        variable = f"KUMO_{name.upper()}_FILE"
        if path := os.environ.get(variable):
            try:
                values[name] = Path(path).read_text("utf-8").strip()
            except OSError as error:
                raise ConfigurationError(f"{variable} names {path}, which cannot be read: {error.strerror}.") from None
    return values


def _setting_name(location: tuple[int | str, ...]) -> str:
    return f"KUMO_{str(location[0]).upper()}" if location else "settings"


def _sentence(message: str) -> str:
    return message.removeprefix("Value error, ").rstrip(".")
