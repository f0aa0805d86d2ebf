"""What a build gives, and what goes wrong: real uv, real interpreters, an index on loopback."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from kumo.environments.backends.interface import BuildFailed
from kumo.environments.builds.log import BuildLog
from kumo.environments.interpreters.finding import Interpreters
from kumo.environments.needs.spec import EnvironmentSpec
from kumo.settings import Settings
from tests.environments.conftest import Workbench
from tests.environments.package_index import PackageIndex
from tests.rights import mounted


def run(workbench: Workbench, lock_hash: str, *command: str) -> str:
    program = workbench.store.directory(lock_hash) / "bin" / command[0]
    return subprocess.run([program, *command[1:]], capture_output=True, text=True, check=True).stdout.strip()


async def test_a_build_holds_what_was_asked_for_and_what_that_needs(workbench: Workbench) -> None:
    built = await workbench.build("snow")
    assert [(package.name, package.version) for package in built.ready.packages] == [("snow", "1.0"), ("water", "1.0")]
    assert run(workbench, built.ready.lock_hash, "python", "-c", "import water; print(water.VERSION)") == "1.0"
    assert "water==1.0" in built.lock
    assert "--hash=sha256:" in built.lock


async def test_console_scripts_work_from_the_directory_that_a_build_ends_up_in(workbench: Workbench) -> None:
    built = await workbench.build("snow")
    assert run(workbench, built.ready.lock_hash, "snow-tool") == "snow 1.0"


async def test_nothing_is_left_beside_a_finished_build(workbench: Workbench) -> None:
    await workbench.build("snow")
    assert workbench.leftovers() == []
    with pytest.raises(BuildFailed):
        await workbench.build("ice")
    assert workbench.leftovers() == []


async def test_an_environment_without_packages_is_a_bare_python(workbench: Workbench) -> None:
    built = await workbench.build()
    assert built.ready.packages == ()
    assert run(workbench, built.ready.lock_hash, "python", "-c", "print(1)") == "1"


async def test_equal_locks_share_one_directory(workbench: Workbench, package_index: PackageIndex) -> None:
    first = await workbench.build("snow")
    marker = workbench.store.directory(first.ready.lock_hash) / "build.json"
    written = marker.stat().st_mtime_ns
    second = await workbench.build("snow", "water==1.0")
    assert second.ready.lock_hash == first.ready.lock_hash
    assert marker.stat().st_mtime_ns == written
    assert "An equal build is there already" in workbench.log


async def test_the_same_packages_on_another_python_are_another_build(workbench: Workbench) -> None:
    versions = list(dict.fromkeys(one.version for one in await workbench.interpreters.list() if one.supported))
    assert len(versions) >= 2, (
        f"There is no other Python here than {versions}. Install a second one, 3.8 or newer: "
        "`.venv/bin/uv python install 3.12`, or with pyenv, or from your distribution."
    )
    first = await workbench.build("water", python=versions[0])
    second = await workbench.build("water", python=versions[1])
    assert first.ready.lock_hash != second.ready.lock_hash
    assert second.ready.python_version == versions[1]
    said = run(workbench, second.ready.lock_hash, "python", "-c", "import platform; print(platform.python_version())")
    assert said == versions[1]


async def test_equal_builds_at_once_are_made_once(workbench: Workbench, tmp_path: Path) -> None:
    spec = EnvironmentSpec(requirements=("snow",))
    logs = [tmp_path / f"{number}.log" for number in range(4)]
    built = await asyncio.gather(*(workbench.build_spec(spec, log_path=path) for path in logs))
    assert len({one.ready.lock_hash for one in built}) == 1
    assert sum("An equal build is there already" in path.read_text() for path in logs) == 3


async def test_files_are_shared_with_the_cache(workbench: Workbench) -> None:
    built = await workbench.build("water")
    folder = workbench.store.directory(built.ready.lock_hash)
    module = next(folder.glob("lib/python*/site-packages/water/__init__.py"))
    assert module.stat().st_nlink > 1


async def test_a_known_lock_is_built_without_asking_the_index_for_versions(
    workbench: Workbench, package_index: PackageIndex
) -> None:
    first = await workbench.build("snow")
    workbench.store.abandon(workbench.store.directory(first.ready.lock_hash))
    package_index.add_wheel("snow", "1.1")
    package_index.requests.clear()
    again = await workbench.build("snow", lock=first.lock)
    assert again.ready.lock_hash == first.ready.lock_hash
    assert package_index.requests == []


async def test_a_lock_of_uv_is_used_as_it_is(workbench: Workbench, package_index: PackageIndex, tmp_path: Path) -> None:
    project = '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.8"\ndependencies = ["water"]\n'
    (tmp_path / "pyproject.toml").write_text(project)
    command = [workbench.uv._binary, "lock", "--quiet", "--python", sys.executable]
    subprocess.run(
        command, cwd=tmp_path, check=True, env=os.environ | {"UV_DEFAULT_INDEX": package_index.url, "UV_NO_CACHE": "1"}
    )
    package_index.add_wheel("water", "3.0")
    lock = (tmp_path / "uv.lock").read_text()
    built = await workbench.build_spec(EnvironmentSpec(pyproject=project, uv_lock=lock))
    assert [package.version for package in built.ready.packages] == ["2.0"]


# --- what goes wrong -------------------------------------------------------------------------------------------------


async def test_an_unknown_package_is_named(workbench: Workbench) -> None:
    with pytest.raises(BuildFailed, match="No package named “ice” is on the package index"):
        await workbench.build("ice")
    assert "ice was not found" in workbench.log


async def test_a_version_that_does_not_exist_is_named(workbench: Workbench) -> None:
    with pytest.raises(BuildFailed, match="“water” has no version that fits ==9"):
        await workbench.build("water==9")


async def test_a_conflict_says_who_wants_what(workbench: Workbench) -> None:
    with pytest.raises(BuildFailed, match=r"No set of versions fits\. .*water") as caught:
        await workbench.build("snow", "steam")
    assert "\n" not in caught.value.message


async def test_the_tools_own_explanation_of_a_conflict_is_kept_as_it_is(workbench: Workbench) -> None:
    with pytest.raises(BuildFailed) as caught:
        await workbench.build("snow", "steam")
    assert caught.value.output is not None
    assert caught.value.output in workbench.log
    assert "cause: Because all versions of steam depend on water>=2" in caught.value.output
    assert len(caught.value.output.splitlines()) >= 3


async def test_a_withdrawn_version_is_taken_only_when_it_is_asked_for(
    workbench: Workbench, package_index: PackageIndex
) -> None:
    package_index.add_wheel("ice", "1.0")
    package_index.yanked["ice-1.0-py3-none-any.whl"] = "melts"
    with pytest.raises(BuildFailed) as caught:
        await workbench.build("ice")
    assert caught.value.message == "“ice” 1.0 was withdrawn by its authors (melts), and no other version fits."
    assert [package.version for package in (await workbench.build("ice==1.0")).ready.packages] == ["1.0"]
    assert "`ice==1.0` is yanked" in workbench.log
    package_index.add_wheel("ice", "0.9")
    assert [package.version for package in (await workbench.build("ice<2")).ready.packages] == ["0.9"]


async def test_a_python_that_is_not_here_is_answered_with_those_that_are(workbench: Workbench) -> None:
    own = ".".join(str(part) for part in sys.version_info[:3])
    with pytest.raises(BuildFailed, match=rf"Python 3\.99 is not on this machine\. Installed: .*{own}"):
        await workbench.build("water", python="3.99")


async def test_a_package_for_newer_pythons_says_so(workbench: Workbench, package_index: PackageIndex) -> None:
    package_index.add_wheel("future", "1.0", requires_python=">=3.99")
    with pytest.raises(BuildFailed, match=r"is too old for “future”, which needs Python >=3\.99"):
        await workbench.build("future")


async def test_an_index_out_of_reach_is_named(workbench: Workbench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(BuildFailed, match=rf"The package index at 127\.0\.0\.1:{port} does not answer"):
        await workbench.build("water", index_url=f"http://127.0.0.1:{port}/simple")


@pytest.mark.parametrize(
    ("status", "sentence"),
    [(401, "refuses access"), (403, "refuses access"), (404, "No package named “water”"), (500, "HTTP 500")],
)
async def test_an_index_that_refuses_is_named(
    workbench: Workbench, package_index: PackageIndex, status: int, sentence: str
) -> None:
    package_index.status = status
    with pytest.raises(BuildFailed, match=sentence):
        await workbench.build("water")


async def test_without_the_network_only_the_cache_counts(
    workbench: Workbench, index_settings: Settings, interpreters: Interpreters
) -> None:
    await workbench.build("water==1.0")
    offline = Workbench(index_settings.model_copy(update={"package_index_offline": True}), interpreters)
    assert (await offline.build("water==1.0")).ready.packages
    with pytest.raises(BuildFailed, match="“snow” is not in the cache"):
        await offline.build("snow")


async def test_another_file_than_the_hash_says_is_refused(workbench: Workbench, package_index: PackageIndex) -> None:
    right = package_index.hash_of("water", "1.0")
    assert (await workbench.build(f"water==1.0 --hash=sha256:{right}")).ready.packages
    with pytest.raises(BuildFailed, match="does not have the expected hash"):
        await workbench.build(f"water==1.0 --hash=sha256:{'0' * 64}")


async def test_hashes_for_some_but_not_all_are_refused(workbench: Workbench, package_index: PackageIndex) -> None:
    with pytest.raises(BuildFailed, match="“water” has none"):
        await workbench.build(f"snow==1.0 --hash=sha256:{package_index.hash_of('snow', '1.0')}")


async def test_a_source_that_cannot_be_built_is_named(workbench: Workbench, package_index: PackageIndex) -> None:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("mud-1.0/pyproject.toml", '[build-system]\nrequires = []\nbuild-backend = "absent"\n')
        archive.writestr("mud-1.0/PKG-INFO", "Metadata-Version: 1.0\nName: mud\nVersion: 1.0\n")
    package_index.add_source("mud", "1.0", packed.getvalue())
    with pytest.raises(BuildFailed, match=r"“mud==1\.0” is offered as source only, and building it failed") as caught:
        await workbench.build("mud")
    assert "absent" in workbench.log
    assert caught.value.output is not None
    assert "absent" in caught.value.output


async def test_a_build_that_takes_too_long_is_ended_with_its_processes(
    index_settings: Settings, package_index: PackageIndex, interpreters: Interpreters
) -> None:
    workbench = Workbench(index_settings.model_copy(update={"build_timeout_seconds": 1}), interpreters)
    package_index.held.clear()
    began = time.monotonic()
    with pytest.raises(BuildFailed, match="took longer than the 1 seconds"):
        await workbench.build("water")
    assert time.monotonic() - began < 5
    assert processes_in(workbench.home) == []
    assert workbench.leftovers() == []


async def test_a_cancelled_build_leaves_neither_processes_nor_directories(
    workbench: Workbench, package_index: PackageIndex
) -> None:
    package_index.held.clear()
    building = asyncio.create_task(workbench.build("water"))
    assert await asyncio.to_thread(package_index.asked.wait, 20)
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    assert processes_in(workbench.home) == []
    assert workbench.leftovers() == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    with mounted(tmp_path / "small", "1m") as disk:
        yield disk


async def test_a_full_disk_is_named_as_such(
    index_settings: Settings, interpreters: Interpreters, small_disk: Path
) -> None:
    workbench = Workbench(index_settings.model_copy(update={"home": small_disk}), interpreters)
    workbench.log_path = index_settings.home / "1.log"
    (small_disk / "ballast").write_bytes(bytes(900 * 1024))
    with pytest.raises(BuildFailed, match="The disk of the data directory is full"):
        await workbench.build("water")
    assert list((small_disk / "builds").glob("[!.]*")) == []


# --- the environment of the tools, and the log -----------------------------------------------------------------------


async def test_what_builds_a_package_sees_nothing_of_kumos_own_settings(
    workbench: Workbench, package_index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUMO_ADMIN_PASSWORD", "opensesame")
    monkeypatch.setenv("SOME_TOKEN", "opensesame")
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        project = '[build-system]\nrequires = []\nbuild-backend = "spy"\nbackend-path = ["."]\n'
        archive.writestr("spy-1.0/pyproject.toml", project)
        archive.writestr("spy-1.0/PKG-INFO", "Metadata-Version: 1.0\nName: spy\nVersion: 1.0\n")
        archive.writestr("spy-1.0/spy.py", "import os\nraise SystemExit(repr(dict(os.environ)))\n")
    package_index.add_source("spy", "1.0", packed.getvalue())
    with pytest.raises(BuildFailed):
        await workbench.build("spy")
    assert "UV_CACHE_DIR" in workbench.log or "PATH" in workbench.log
    assert "opensesame" not in workbench.log
    assert "KUMO_" not in workbench.log


def test_the_first_line_says_how_it_went_and_nothing_else_moves(tmp_path: Path) -> None:
    path = tmp_path / "1.log"
    with BuildLog(path) as log:
        log.line("Resolving")
        before = path.read_bytes()
        assert before.startswith(b"Building.")
        log.conclude("No package named “ice” is on the package index.")
    after = path.read_bytes()
    assert after.decode().splitlines()[0].rstrip() == "No package named “ice” is on the package index."
    assert after.index(b"Resolving") == before.index(b"Resolving")
    assert after.decode().splitlines()[-1] == "No package named “ice” is on the package index."
    assert log.size == len(after)


def test_a_very_long_reason_stays_on_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "1.log"
    with BuildLog(path) as log:
        log.line("next")
        log.conclude("“é”" * 400)
    assert path.read_bytes().split(b"\n")[1] == b"next"


def test_a_password_in_an_address_does_not_reach_the_log(tmp_path: Path) -> None:
    path = tmp_path / "1.log"
    with BuildLog(path) as log:
        log.raw(b"error: https://ada:opensesame@example.org/simple/ refused\n")
    assert "https://***@example.org/simple/" in path.read_text()


# --- crashes ---------------------------------------------------------------------------------------------------------


async def test_a_directory_without_its_marker_is_no_build(workbench: Workbench) -> None:
    built = await workbench.build("water")
    folder = workbench.store.directory(built.ready.lock_hash)
    (folder / "build.json").unlink()
    assert workbench.store.find(built.ready.lock_hash) is None
    again = await workbench.build("water")
    assert again.ready.lock_hash == built.ready.lock_hash
    assert workbench.store.find(built.ready.lock_hash) is not None


async def test_a_build_whose_interpreter_has_gone_is_made_again(workbench: Workbench, tmp_path: Path) -> None:
    built = await workbench.build("water")
    python = workbench.store.directory(built.ready.lock_hash) / "bin" / "python"
    python.unlink()
    python.symlink_to(tmp_path / "gone")
    assert workbench.store.find(built.ready.lock_hash) is None
    await workbench.build("water")
    assert run(workbench, built.ready.lock_hash, "python", "-c", "print(1)") == "1"


async def test_what_a_killed_server_left_is_swept_away(workbench: Workbench) -> None:
    built = await workbench.build("water")
    left = workbench.store.begin()
    (left / "venv").mkdir()
    assert workbench.store.sweep() == 1
    assert workbench.leftovers() == []
    assert workbench.store.find(built.ready.lock_hash) is not None


def processes_in(home: Path) -> list[str]:
    """Processes that work below a directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        try:
            target = str(entry.readlink())
        except OSError:
            continue
        if target.startswith(str(home)):
            found.append(entry.parent.name)
    return found


async def test_a_long_output_is_kept_by_its_end(workbench: Workbench, package_index: PackageIndex) -> None:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        project = '[build-system]\nrequires = []\nbuild-backend = "chatter"\nbackend-path = ["."]\n'
        archive.writestr("chatter-1.0/pyproject.toml", project)
        archive.writestr("chatter-1.0/PKG-INFO", "Metadata-Version: 1.0\nName: chatter\nVersion: 1.0\n")
        lines = (
            "import sys\nfor n in range(5000):\n    print('line', n, file=sys.stderr)\nraise SystemExit('at last')\n"
        )
        archive.writestr("chatter-1.0/chatter.py", lines)
    package_index.add_source("chatter", "1.0", packed.getvalue())
    with pytest.raises(BuildFailed) as caught:
        await workbench.build("chatter")
    assert caught.value.output is not None
    assert "at last" in caught.value.output
    assert "line 4999" in caught.value.output
    assert "line 100\n" not in caught.value.output
    assert len(caught.value.output) <= 8_000
