"""What is known of the packages in a build, and whether they can be imported."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement

from kumo.environments.backends.interface import BuildFailed
from kumo.environments.builds.installed import read_installed
from kumo.environments.needs.spec import EnvironmentSpec
from tests.environments.conftest import Workbench
from tests.environments.package_index import PackageIndex


async def test_packages_are_known_with_their_sizes_and_who_needs_whom(
    workbench: Workbench, package_index: PackageIndex
) -> None:
    package_index.add_wheel("ice", "1.0", requires=["snow", 'water; extra == "melt"', 'fire; python_version < "3"'])
    built = await workbench.build("ice", "steam; python_version < '3'")
    found = {package.name: package for package in built.ready.packages}
    assert {name: (one.requires, one.is_direct) for name, one in found.items()} == {
        "ice": (("snow",), True),
        "snow": (("water",), False),
        "water": ((), False),
    }
    assert all(one.size_bytes > 100 for one in found.values())


async def test_extras_that_are_asked_for_count_as_needs(workbench: Workbench, package_index: PackageIndex) -> None:
    package_index.add_wheel("ice", "1.0", requires=['water; extra == "melt"', 'snow[deep]; extra == "melt"'])
    package_index.add_wheel("snow", "1.1", requires=['fog; extra == "deep"'])
    package_index.add_wheel("fog", "1.0")
    built = await workbench.build("ice[melt]")
    found = {package.name: package.requires for package in built.ready.packages}
    assert found == {"fog": (), "ice": ("snow", "water"), "snow": ("fog",), "water": ()}


async def test_what_has_no_readable_metadata_is_left_out(workbench: Workbench) -> None:
    built = await workbench.build("snow")
    folder = workbench.store.directory(built.ready.lock_hash)
    next(folder.glob("lib/python*/site-packages/water-*/RECORD")).unlink()
    found = read_installed(folder, direct=[Requirement("snow")], python_version="3.12.1", implementation="cpython")
    assert list(found.packages) == ["snow"]
    assert found.packages["snow"].requires == ()


# --- imports ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import absent_library", "import ice fails: ModuleNotFoundError: No module named 'absent_library'."),
        ("raise ImportError('libGL.so.1: cannot open shared object file')", "fails: ImportError: libGL.so.1: cannot"),
        ("print(", "import ice fails: SyntaxError: "),
        ("import os; os.kill(os.getpid(), 11)", "import ice ends Python by SIGSEGV."),
        ("import os; os._exit(3)", "import ice ends Python with exit code 3."),
    ],
)
async def test_what_cannot_be_imported_fails_its_build(
    workbench: Workbench, package_index: PackageIndex, code: str, why: str
) -> None:
    package_index.add_wheel("ice", "1.0", code=code)
    with pytest.raises(BuildFailed) as caught:
        await workbench.build("ice", "water")
    assert caught.value.message.startswith("“ice” was installed, but import ice ")
    assert why in caught.value.message
    assert workbench.leftovers() == []
    assert list((workbench.home / "builds").iterdir()) == []


async def test_the_end_of_a_failing_imports_output_is_kept(workbench: Workbench, package_index: PackageIndex) -> None:
    package_index.add_wheel("ice", "1.0", code="print('cold')\nimport absent_library")
    with pytest.raises(BuildFailed) as caught:
        await workbench.build("ice")
    assert caught.value.output is not None
    assert caught.value.output.startswith("cold\nTraceback ")
    assert "ModuleNotFoundError" in workbench.log


@pytest.mark.parametrize("code", ["raise KeyError('DISPLAY')", "raise SystemExit(1)"])
async def test_a_module_that_minds_where_it_is_imported_is_noted_only(
    workbench: Workbench, package_index: PackageIndex, code: str
) -> None:
    package_index.add_wheel("ice", "1.0", code=code)
    assert (await workbench.build("ice")).ready.packages
    assert "“ice” was installed, but import ice fails: " in workbench.log


async def test_the_same_files_are_imported_once(workbench: Workbench, package_index: PackageIndex) -> None:
    package_index.add_wheel("fog", "1.0", code="'other files'")
    await workbench.build("snow")
    assert "Importing snow\n" in workbench.log
    await workbench.build("snow", "fog")
    assert "Importing fog\n" in workbench.log
    # Not changed itself, but among other files.
    package_index.add_wheel("water", "1.5")
    await workbench.build("snow", "fog")
    assert "Importing snow\n" in workbench.log


async def test_what_was_asked_for_by_name_is_told_also_where_an_equal_build_was_there(workbench: Workbench) -> None:
    await workbench.build("snow")
    built = await workbench.build("snow", "water")
    assert "An equal build is there already" in workbench.log
    assert {package.name: package.is_direct for package in built.ready.packages} == {"snow": True, "water": True}


async def test_what_is_imported_sees_neither_settings_nor_the_accounts_home(
    workbench: Workbench, package_index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUMO_ADMIN_PASSWORD", "opensesame")
    monkeypatch.setenv("PYTHONPATH", str(workbench.home))
    package_index.add_wheel("ice", "1.0", code="import os; print(dict(os.environ))")
    await workbench.build("ice")
    assert "opensesame" not in workbench.log
    assert f"'HOME': '{workbench.home}/builds/.tmp-" in workbench.log


async def test_a_package_that_needs_a_program_around_it_can_be_let_through(
    workbench: Workbench, package_index: PackageIndex
) -> None:
    package_index.add_wheel("ice", "1.0", code="import absent_library")
    built = await workbench.build_spec(EnvironmentSpec(requirements=("ice",), import_check=False))
    assert [package.name for package in built.ready.packages] == ["ice"]
    assert "Importing" not in workbench.log
