"""What only builds of conda do: channels, prefixes that stay where they are, a `pip:` section, what this machine is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from rattler.explicit_environment import ExplicitEnvironmentSpec

from kumo.environments.backends.conda.lock import CondaLock
from kumo.environments.backends.interface import BuildFailed
from kumo.environments.building.builder import BuilderLoop
from kumo.environments.builds.store import BuildStore
from kumo.environments.indexes.access import Credential
from kumo.environments.interpreters.finding import Interpreters
from kumo.environments.needs.environment_yml import conda_spec
from kumo.environments.needs.spec import EnvironmentSpec
from kumo.settings import Settings
from tests.environments.asking import create, error
from tests.environments.building.test_building import run
from tests.environments.conda_channel import SITE_PACKAGES, VERSION, CondaChannel, environment_yml, serve_channel
from tests.environments.conftest import Projects, Workbench
from tests.environments.package_index import PackageIndex
from tests.environments.test_generations import environment_of
from tests.fakes import ManualClock


@pytest.fixture
def channel(tmp_path: Path) -> CondaChannel:
    """A channel with a Python, `water` in both formats of packages, and `snow`, which needs the older one."""
    made = CondaChannel(tmp_path / "channel")
    made.add_python()
    made.add_module("water", "1.0")
    made.add_module("water", "2.0", is_conda=False)
    made.add_module("snow", "1.0", depends=["water <2"])
    return made


@pytest.fixture
def served(channel: CondaChannel) -> Iterator[PackageIndex]:
    """The same over HTTP."""
    with serve_channel(channel) as server:
        yield server


def at(server: PackageIndex) -> str:
    return server.url.replace("/simple", "/channel")


def wish(*dependencies: str, channel: CondaChannel | str, pip: tuple[str, ...] = ()) -> EnvironmentSpec:
    url = channel if isinstance(channel, str) else channel.url
    return conda_spec(environment_yml("python", *dependencies, channels=[url], pip=pip))


# --- prefixes --------------------------------------------------------------------------------------------------------


async def test_paths_in_files_are_those_of_the_place_where_the_build_stays(
    workbench: Workbench, channel: CondaChannel
) -> None:
    built = await workbench.build_spec(wish("snow", "water", channel=channel))
    prefix = workbench.store.directory(built.ready.lock_hash)
    assert (prefix / "share" / "water" / "where").read_text() == f"{prefix.resolve()}/share\n"
    library = (prefix / "lib" / "libwater.so").read_bytes()
    assert library.startswith(f"\x7fELF {prefix.resolve()}/share\0".encode())
    assert library.endswith(b"\0 and the rest")
    assert run(workbench, built.ready.lock_hash, "water-tool") == f"water 1.0 {prefix.resolve()}"
    assert str(prefix.resolve()) == built.ready.place


async def test_a_path_that_is_too_long_for_packages_to_name_is_said(
    index_settings: Settings, interpreters: Interpreters, channel: CondaChannel
) -> None:
    home = index_settings.home / ("deep" * 50) / ("down" * 20)
    workbench = Workbench(index_settings.model_copy(update={"home": home}), interpreters)
    with pytest.raises(BuildFailed, match=r"The path of the data directory is too long for the packages to name it\."):
        await workbench.build_spec(wish("water", channel=channel))


async def test_files_are_shared_with_the_cache(workbench: Workbench, channel: CondaChannel) -> None:
    built = await workbench.build_spec(wish("water", channel=channel))
    module = workbench.store.directory(built.ready.lock_hash) / SITE_PACKAGES / "water" / "__init__.py"
    assert module.stat().st_nlink > 1


async def test_a_data_directory_that_was_moved_has_its_builds_made_again(
    workbench: Workbench, channel: CondaChannel, index_settings: Settings, tmp_path: Path
) -> None:
    built = await workbench.build_spec(wish("water", channel=channel))
    moved = tmp_path / "moved"
    shutil.copytree(workbench.home, moved, symlinks=True)
    assert BuildStore(moved).find(built.ready.lock_hash) is None
    there = Workbench(index_settings.model_copy(update={"home": moved}), workbench.interpreters)
    again = await there.build_spec(wish("water", channel=channel), lock=built.lock)
    assert run(there, again.ready.lock_hash, "water-tool").startswith(f"water 2.0 {moved}")
    assert there.leftovers() == [Path(again.ready.place).name]
    assert run(workbench, built.ready.lock_hash, "water-tool").startswith(f"water 2.0 {workbench.home}")


async def test_what_lies_about_without_a_link_is_swept_away_and_what_is_ready_stays(
    workbench: Workbench, channel: CondaChannel
) -> None:
    built = await workbench.build_spec(wish("water", channel=channel))
    place = workbench.store.reserve()
    (place / "bin").mkdir()
    assert workbench.store.sweep() == 1
    assert not place.exists()
    assert run(workbench, built.ready.lock_hash, "water-tool").startswith("water 2.0")


async def test_a_collected_build_takes_its_place_with_it(workbench: Workbench, channel: CondaChannel) -> None:
    built = await workbench.build_spec(wish("water", channel=channel))
    workbench.store.abandon(workbench.store.put_aside(built.ready.lock_hash))
    assert list((workbench.home / "builds").iterdir()) == []


# --- the lock --------------------------------------------------------------------------------------------------------


async def test_the_lock_is_what_conda_itself_installs_from(workbench: Workbench, channel: CondaChannel) -> None:
    built = await workbench.build_spec(wish("water", channel=channel, pip=("steam",)))
    lock = CondaLock.from_text(built.lock)
    assert lock.to_text() == built.lock
    read = [entry.url for entry in ExplicitEnvironmentSpec.from_str(built.lock).packages]
    assert [url.partition("#")[0] for url in read] == [one.url for one in lock.packages]
    assert all(one.digest.startswith("sha256:") for one in lock.packages)


async def test_another_file_than_the_hash_says_is_refused(
    workbench: Workbench, channel: CondaChannel, served: PackageIndex
) -> None:
    built = await workbench.build_spec(wish("water", channel=at(served)))
    workbench.store.abandon(workbench.store.put_aside(built.ready.lock_hash))
    shutil.rmtree(workbench.home / "cache" / "conda")
    channel.add_module("water", "2.0", code="import os\n", is_conda=False)
    with pytest.raises(BuildFailed, match=r"hash"):
        await workbench.build_spec(wish("water", channel=at(served)), lock=built.lock)
    assert list((workbench.home / "builds").iterdir()) == []


async def test_a_lock_of_another_kind_of_machine_is_not_taken(workbench: Workbench, channel: CondaChannel) -> None:
    built = await workbench.build_spec(wish("snow", channel=channel))
    foreign = built.lock.replace("# platform: linux-", "# platform: osx-")
    again = await workbench.build_spec(wish("snow", channel=channel), lock=foreign)
    assert again.lock == built.lock
    assert "which this machine is not; solving anew" in workbench.log


# --- what is asked for -----------------------------------------------------------------------------------------------


async def test_packages_for_any_python_get_their_programs(workbench: Workbench, channel: CondaChannel) -> None:
    files = {"site-packages/fog.py": "VERSION = '1.0'\n", "python-scripts/fog-tool": "#!python\nprint('fog')\n"}
    channel.add("fog", "1.0", depends=["python"], files=files, noarch="python")
    built = await workbench.build_spec(wish("fog", channel=channel))
    assert run(workbench, built.ready.lock_hash, "python", "-c", "import fog; print(fog.VERSION)") == "1.0"
    assert {one.name: one.requires for one in built.ready.packages}["fog"] == ("python",)


async def test_packages_for_any_machine_are_put_where_they_say(workbench: Workbench, channel: CondaChannel) -> None:
    channel.add("zones", "2026a", files={"share/zones/utc": "0"}, noarch="generic")
    built = await workbench.build_spec(wish("zones", channel=channel))
    assert (Path(built.ready.place) / "share" / "zones" / "utc").read_text() == "0"


async def test_a_script_that_fails_when_it_is_activated_fails_the_build(
    workbench: Workbench, channel: CondaChannel
) -> None:
    channel.add("grit", "1.0", files={"etc/conda/activate.d/grit.sh": "echo 'no compiler' >&2\nexit 3\n"})
    with pytest.raises(BuildFailed, match=r"Activating the packages ended with exit code 3\.") as caught:
        await workbench.build_spec(wish("grit", channel=channel))
    assert caught.value.output == "no compiler"


async def test_what_this_machine_is_decides(
    workbench: Workbench, channel: CondaChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel.add("ice", "1.0", depends=["__linux", "__glibc >=2.17", "__archspec"])
    channel.add("fire", "1.0", depends=["__cuda >=12"])
    assert (await workbench.build_spec(wish("ice", channel=channel))).ready.packages
    assert "__glibc 2." in workbench.log
    with pytest.raises(BuildFailed, match=r"No set of versions fits\. .*__cuda >=12"):
        await workbench.build_spec(wish("fire", channel=channel))
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "12.4")
    assert (await workbench.build_spec(wish("fire", channel=channel))).ready.packages


async def test_the_python_of_the_environment_is_one_more_wish(workbench: Workbench, channel: CondaChannel) -> None:
    spec = wish("water", channel=channel)
    built = await workbench.build_spec(EnvironmentSpec.from_json(spec.to_json() | {"python": VERSION[:4]}))
    assert built.ready.python_version == VERSION
    with pytest.raises(BuildFailed, match=r"has the package “python” in a version that fits"):
        await workbench.build_spec(EnvironmentSpec.from_json(spec.to_json() | {"python": "3.99"}))


async def test_what_conda_cannot_read_is_named(workbench: Workbench, channel: CondaChannel) -> None:
    with pytest.raises(BuildFailed, match=r"“water >=,<” cannot be read as a package of conda: "):
        await workbench.build_spec(wish("water >=,<", channel=channel))


async def test_without_a_python_there_is_nothing_to_run(workbench: Workbench, channel: CondaChannel) -> None:
    channel.add("stone", "1.0", files={"share/stone": "heavy"})
    with pytest.raises(BuildFailed, match=r"None of the packages is a Python\. Add “python”"):
        await workbench.build_spec(conda_spec(environment_yml("stone", channels=[channel.url])))


async def test_what_is_not_followed_is_said_in_the_log(workbench: Workbench, channel: CondaChannel) -> None:
    await workbench.build_spec(conda_spec("name: etl\n" + environment_yml("python", channels=[channel.url])))
    assert "“name” of the environment.yml is not used" in workbench.log


async def test_a_channel_that_is_named_is_found_where_the_settings_say(
    served: PackageIndex, index_settings: Settings, interpreters: Interpreters
) -> None:
    alias = served.url.removesuffix("/simple")
    workbench = Workbench(index_settings.model_copy(update={"conda_channel_alias": alias}), interpreters)
    built = await workbench.build_spec(wish("channel::water", channel="channel"))
    assert f"{at(served)}/" in built.lock


# --- the pip: section ------------------------------------------------------------------------------------------------


async def test_what_pip_adds_stands_beside_what_conda_brings(
    workbench: Workbench, channel: CondaChannel, package_index: PackageIndex
) -> None:
    package_index.add_wheel("mist", "1.0", requires=["water", "dew", "Old.Frost"])
    package_index.add_wheel("dew", "1.0")
    package_index.files.pop("water")
    older = "Metadata-Version: 1.0\nName: old-frost\nVersion: 0.9\n"
    channel.add("frost", "0.9", files={f"{SITE_PACKAGES}/old_frost-0.9-py3.egg-info/PKG-INFO": older})
    built = await workbench.build_spec(wish("snow", "frost", channel=channel, pip=("mist",)))
    found = {one.name: one for one in built.ready.packages}
    assert {name: one.version for name, one in found.items() if name != "python"} == {
        "dew": "1.0", "frost": "0.9", "mist": "1.0", "snow": "1.0", "water": "1.0",
    }  # fmt: skip
    assert (found["mist"].requires, found["mist"].is_direct) == (("dew", "water"), True)
    assert "# pip mist==1.0" in built.lock
    assert "# pip water" not in built.lock
    assert run(workbench, built.ready.lock_hash, "mist-tool") == "mist 1.0"
    first_line = (Path(built.ready.place) / "bin" / "mist-tool").read_text().splitlines()[0]
    assert ".tmp-" not in first_line
    workbench.store.abandon(workbench.store.put_aside(built.ready.lock_hash))
    package_index.add_wheel("mist", "1.1", requires=["water"])
    again = await workbench.build_spec(wish("snow", "frost", channel=channel, pip=("mist",)), lock=built.lock)
    assert run(workbench, again.ready.lock_hash, "mist-tool") == "mist 1.0"


async def test_what_conda_has_already_is_not_added_again(workbench: Workbench, channel: CondaChannel) -> None:
    built = await workbench.build_spec(wish("water ==1.0", channel=channel, pip=("water",)))
    assert CondaLock.from_text(built.lock).requirements == ""
    assert {one.name: one.version for one in built.ready.packages} == {"python": VERSION, "water": "1.0"}


async def test_what_pip_adds_may_not_contradict_what_conda_brings(
    workbench: Workbench, channel: CondaChannel, package_index: PackageIndex
) -> None:
    package_index.add_wheel("mist", "1.0", requires=["water>=2"])
    with pytest.raises(BuildFailed, match=r"No set of versions fits\. .*water") as caught:
        await workbench.build_spec(wish("snow", channel=channel, pip=("mist",)))
    assert caught.value.output is not None
    assert "mist" in caught.value.output


# --- reaching channels -----------------------------------------------------------------------------------------------


async def test_a_channel_is_asked_with_the_password_that_is_for_it_and_no_other_is(
    workbench: Workbench, served: PackageIndex
) -> None:
    served.user = "ada:opensesame"
    with pytest.raises(BuildFailed, match=r"The channel http://127.* refuses access \(HTTP 401"):
        await workbench.build_spec(wish("water", channel=at(served)))
    workbench.credentials = (Credential(url=f"{at(served)}/other", username="ada", password="opensesame"),)
    with pytest.raises(BuildFailed, match="refuses access"):
        await workbench.build_spec(wish("water", channel=at(served)))
    workbench.credentials = (Credential(url=at(served), username="ada", password="opensesame"),)
    built = await workbench.build_spec(wish("water", channel=at(served)))
    assert run(workbench, built.ready.lock_hash, "water-tool").startswith("water 2.0")
    assert "opensesame" not in built.lock + workbench.log


async def test_a_channel_is_reached_through_the_proxy(
    served: PackageIndex, index_settings: Settings, interpreters: Interpreters
) -> None:
    settings = index_settings.model_copy(update={"package_proxy": served.url.removesuffix("/simple")})
    workbench = Workbench(settings, interpreters)
    await workbench.build_spec(wish("water", channel="http://channels.example/channel"))
    assert any(url.startswith("http://channels.example/channel/noarch/") for url, _user in served.proxied)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("file:///srv/no/channel", r"file:///srv/no/channel is no channel: it has no list of packages\."),
        ("http://127.0.0.1:1/own", r"The channel http://127\.0\.0\.1:1/own at 127\.0\.0\.1:1 does not answer\."),
    ],
)
async def test_a_channel_that_cannot_be_read_is_named(workbench: Workbench, url: str, sentence: str) -> None:
    with pytest.raises(BuildFailed, match=sentence):
        await workbench.build_spec(wish("water", channel=url))


async def test_a_broken_list_of_packages_is_a_failed_build(workbench: Workbench, channel: CondaChannel) -> None:
    (channel.root / "noarch" / "repodata.json").write_text("{")
    with pytest.raises(BuildFailed) as caught:
        await workbench.build_spec(wish("water", channel=channel))
    assert "\n" not in caught.value.message


async def test_without_the_network_only_the_cache_counts(
    workbench: Workbench, served: PackageIndex, index_settings: Settings, interpreters: Interpreters
) -> None:
    built = await workbench.build_spec(wish("water", channel=at(served)))
    workbench.store.abandon(workbench.store.put_aside(built.ready.lock_hash))
    served.requests.clear()
    offline = Workbench(index_settings.model_copy(update={"package_index_offline": True}), interpreters)
    assert (await offline.build_spec(wish("water", channel=at(served)), lock=built.lock)).ready.packages
    with pytest.raises(BuildFailed, match=r"“snow-1\.0-0” is not in the cache"):
        await offline.build_spec(wish("snow", channel=at(served)))
    assert served.requests == []


# --- the program -----------------------------------------------------------------------------------------------------


async def test_the_solver_sees_nothing_of_kumos_own_settings(
    workbench: Workbench, channel: CondaChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUMO_ADMIN_PASSWORD", "opensesame")
    code = "import os\nopen(os.path.join(os.environ['HOME'], 'seen'), 'w').write(repr(dict(os.environ)))\nimport absent"
    channel.add_module("spy", "1.0", code=code)
    with pytest.raises(BuildFailed, match="import spy fails"):
        await workbench.build_spec(wish("spy", channel=channel))
    assert "opensesame" not in workbench.log


async def test_without_what_conda_needs_a_build_says_how_to_install_it(
    workbench: Workbench, channel: CondaChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = wish("water", channel=channel)
    monkeypatch.setitem(sys.modules, "rattler", None)
    with pytest.raises(BuildFailed, match=r"pip install 'kumo-scheduler\[conda\]'"):
        await workbench.build_spec(spec)


def test_the_server_loads_neither_the_solver_nor_yaml() -> None:
    code = "import sys, kumo.app; print([name for name in ('rattler', 'yaml') if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(said.stdout) == []


# --- over HTTP -------------------------------------------------------------------------------------------------------


async def test_an_environment_holds_the_text_and_says_what_makes_it(
    http: httpx.AsyncClient, builder: BuilderLoop, clock: ManualClock, channel: CondaChannel
) -> None:
    text = environment_yml("python", "snow", channels=[channel.url])
    created = await create(http, environment_yml=text, source="conda", backend="conda", python="3")
    assert (created["source"], created["backend"], created["environment_yml"]) == ("conda", "conda", text)
    await builder.step(clock())
    found = await environment_of(http, {"environment_id": created["id"]})
    assert found["active_build"]["python_version"] == VERSION
    assert found["active_build"]["interpreter_path"] is None
    listed = (await http.get(f"/environments/{created['id']}/packages")).json()["items"]
    assert [one["name"] for one in listed] == ["python", "snow", "water"]

    held = error(await http.post(f"/environments/{created['id']}/packages", json={"add": ["steam"]}), 409)
    assert held["message"].endswith("holds what its environment.yml asks for; change that.")
    outdated = error(await http.get(f"/environments/{created['id']}/packages/outdated"), 409)
    assert "is made by conda" in outdated["message"]

    back = (await http.patch(f"/environments/{created['id']}", json={"packages": ["water"], "python": None})).json()
    assert (back["source"], back["backend"], back["environment_yml"]) == ("packages", "uv", None)


async def test_what_cannot_be_meant_is_refused_with_its_field(http: httpx.AsyncClient, channel: CondaChannel) -> None:
    text = environment_yml("python", channels=[channel.url])
    for fields, field in (
        ({"environment_yml": "channels: []"}, "environment_yml"),
        ({"environment_yml": text, "packages": ["water"]}, "environment_yml"),
        ({"environment_yml": text, "backend": "uv"}, "backend"),
        ({"packages": ["water"], "backend": "conda"}, "backend"),
        ({"source": "conda"}, "environment_yml"),
        ({"environment_yml": text, "python": "new"}, "python"),
    ):
        refused = error(await http.post("/environments", json={"name": "etl"} | fields), 422)
        assert refused["details"][0]["field"] == field, fields


async def test_a_password_may_be_for_a_channel(http: httpx.AsyncClient) -> None:
    text = environment_yml("python", channels=["https://channels.example/own"])
    credential = {"url": "https://channels.example/", "username": "ada", "password": "opensesame"}
    created = await create(http, environment_yml=text, index_credentials=[credential])
    assert created["index_credentials"] == [{"url": "https://channels.example/", "username": "ada"}]


async def test_an_environment_follows_the_environment_yml_of_its_project(
    http: httpx.AsyncClient, builder: BuilderLoop, clock: ManualClock, projects: Projects, channel: CondaChannel
) -> None:
    text = environment_yml("python", "water", channels=[channel.url])
    project_id = await projects.create({"environment.yml": text})
    created = await create(http, project_id=project_id, backend="conda", python=f"=={VERSION}")
    assert created["backend"] == "conda"
    while await builder.step(clock()):
        pass
    assert (await environment_of(http, {"environment_id": created["id"]}))["active_build"]["state"] == "ready"
    await projects.change(project_id, {"requirements.txt": "water==1.0\n", "environment.yml": text})
    while await builder.step(clock()):
        pass
    after = await environment_of(http, {"environment_id": created["id"]})
    assert (after["backend"], after["active_build"]["generation"]) == ("uv", 2)
