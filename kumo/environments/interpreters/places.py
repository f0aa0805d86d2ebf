"""Where Pythons lie on a machine, and who has put them there."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

_CONDA_ROOTS = ("miniconda3", "anaconda3", "miniforge3", "mambaforge", "micromamba")


def installed_by_kumo(home: Path) -> Path:
    """Where the Pythons go that Kumo installs."""
    return home / "pythons"


def interpreter_folders(home: Path) -> list[Path]:
    """Where interpreters are looked for.

    The server's own, PATH without pyenv's shims, each version of pyenv, each environment of conda, what uv has
    installed for the account, and what Kumo has installed. A shim is a script that starts one of pyenv's versions; it
    would be listed a second time, or fail.
    """
    shims = pyenv_root() / "shims"
    folders = [
        Path(sys.base_prefix) / "bin",
        *(Path(entry) for entry in os.environ.get("PATH", os.defpath).split(os.pathsep) if entry),
        *sorted((pyenv_root() / "versions").glob("*/bin")),
        *(prefix / "bin" for prefix in conda_prefixes()),
        *sorted(uv_root().glob("*/bin")),
        *sorted(installed_by_kumo(home).glob("*/bin")),
    ]
    return list(dict.fromkeys(folder for folder in folders if folder != shims and not _is_virtual(folder)))


def source_of(executable: Path, home: Path) -> str:
    """Who put an interpreter there: "kumo", "pyenv", "uv", "conda" or "system"."""
    path = Path(os.path.realpath(executable))
    for source, root in (("kumo", installed_by_kumo(home)), ("pyenv", pyenv_root()), ("uv", uv_root())):
        if path.is_relative_to(os.path.realpath(root)):
            return source
    return "conda" if (executable.parent.parent / "conda-meta").is_dir() else "system"


def remove_installed(executable: Path, home: Path) -> None:
    """Remove a Python that Kumo has installed, and links to it; never anything outside Kumo's own directory."""
    root = installed_by_kumo(home).resolve()
    prefix = executable.resolve().parent.parent
    if prefix.parent != root:
        return
    for link in [entry for entry in root.iterdir() if entry.is_symlink() and entry.resolve() == prefix]:
        link.unlink()
    shutil.rmtree(prefix)


def pyenv_root() -> Path:
    """Where pyenv keeps its versions, if it is there at all."""
    return Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")


def uv_root() -> Path:
    """Where uv keeps what it installs for the account."""
    return Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or Path.home() / ".local/share/uv/python")


def conda_prefixes() -> list[Path]:
    """The environments of conda, mamba and micromamba: those that they have noted, and those in the usual places."""
    found = list(_noted_by_conda())
    roots = [Path.home() / name for name in _CONDA_ROOTS] + [Path("/opt") / name for name in ("conda", *_CONDA_ROOTS)]
    if root := os.environ.get("MAMBA_ROOT_PREFIX"):
        roots.append(Path(root))
    for root_prefix in roots:
        found += [root_prefix, *sorted((root_prefix / "envs").glob("*"))]
    return [prefix for prefix in dict.fromkeys(found) if (prefix / "conda-meta").is_dir()]


def _noted_by_conda() -> Iterator[Path]:
    try:
        lines = (Path.home() / ".conda" / "environments.txt").read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    yield from (Path(line.strip()) for line in lines if line.strip())


def _is_virtual(folder: Path) -> bool:
    return (folder.parent / "pyvenv.cfg").exists()
