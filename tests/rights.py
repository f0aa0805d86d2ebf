"""Taking away what an account may do, also from root, and giving it a small disk, also where it is not root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

_NOBODY = 65534
# Root of a namespace of its own, which any account may have: there it may mount.
_AS_ROOT_OF_ITS_OWN = ("unshare", "--user", "--map-root-user", "--mount")
_NO_MOUNT = (
    "This test needs to mount a small file system. Run it as root, or let accounts have namespaces: "
    "`sysctl kernel.unprivileged_userns_clone=1`, on Ubuntu `sysctl kernel.apparmor_restrict_unprivileged_userns=0`."
)


def close(path: Path, mode: int = 0o555) -> tuple[str, ...]:
    """Let a file or directory be read only, and give what to put before a command so that it must obey that.

    Root need not care about modes. Here it gives up the power, for that one command, and the path to somebody else; it
    stays root, because the Python of the tests may lie where nobody else may look.
    """
    path.chmod(mode)
    if os.geteuid() != 0:
        return ()
    assert shutil.which("setpriv"), (
        "There is no `setpriv` to take root's power away. Install it: apt install util-linux"
    )
    os.chown(path, _NOBODY, _NOBODY)
    return ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all", "--")


@contextmanager
def mounted(place: Path, size: str) -> Iterator[Path]:
    """A file system of its own, as large as "24m" says; only in a test that has `small_disk` among its fixtures."""
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{_NO_MOUNT}\n{done.stderr}"
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def run_as_root_of_its_own(item: pytest.Item) -> None:
    """Run one test in a process that may mount, and fail as it fails."""
    allowed = subprocess.run([*_AS_ROOT_OF_ITS_OWN, "true"], capture_output=True, text=True, check=False)
    assert allowed.returncode == 0, f"{_NO_MOUNT}\n{allowed.stderr}"
    with TemporaryDirectory() as directory:
        pytest_alone = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
        done = subprocess.run(
            [*_AS_ROOT_OF_ITS_OWN, *pytest_alone, f"--basetemp={directory}/tests", item.nodeid],
            cwd=item.config.rootpath,
            env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        pytest.fail(done.stdout + done.stderr, pytrace=False)
