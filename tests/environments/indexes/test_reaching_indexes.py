"""Indexes, proxies, directories of wheels, and the passwords for them, which nobody ever sees again."""

from __future__ import annotations

import asyncio
import base64
import json
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import Text, cast, select

from kumo.db.session import Database
from kumo.environments.backends.interface import BuildFailed
from kumo.environments.building.builder import BuilderLoop
from kumo.environments.indexes.access import Credential, Redactor, check_settings
from kumo.environments.models import Build, Environment
from kumo.environments.needs.spec import EnvironmentSpec
from kumo.errors import ConfigurationError
from kumo.secrets import Vault
from kumo.settings import Settings
from tests.environments.asking import create, error
from tests.environments.conftest import Workbench
from tests.environments.package_index import PackageIndex, serve_packages, wheel
from tests.fakes import ManualClock

PASSWORD = 'open "s/e:s@me'
USER = f"ada:{PASSWORD}"


@pytest.fixture
def other_index() -> Iterator[PackageIndex]:
    """Another index, which has ice."""
    with serve_packages() as index:
        index.add_wheel("ice", "1.0", requires=["water"])
        yield index


def credential(url: str, password: str = PASSWORD) -> Credential:
    return Credential(url=url, username="ada", password=password)


def names(built: Any) -> list[str]:
    return [package.name for package in built.ready.packages]


async def test_each_index_gets_the_password_that_is_for_its_address(
    workbench: Workbench, package_index: PackageIndex, other_index: PackageIndex
) -> None:
    package_index.user, other_index.user = USER, "ada:another one"
    workbench.credentials = (credential(package_index.url), credential(other_index.url, "another one"))
    spec = EnvironmentSpec(requirements=("ice",), extra_index_urls=(other_index.url,))
    assert names(await workbench.build_spec(spec)) == ["ice", "water"]


async def test_a_wrong_password_and_none_are_told_as_a_refusal(
    workbench: Workbench, package_index: PackageIndex
) -> None:
    package_index.user = USER
    for credentials in ((), (credential(package_index.url, "wrong one"),)):
        workbench.credentials = credentials
        with pytest.raises(BuildFailed, match=r"refuses access \(HTTP 401\)"):
            await workbench.build("water")


async def test_a_password_goes_to_no_other_server(
    workbench: Workbench, package_index: PackageIndex, other_index: PackageIndex
) -> None:
    other_index.user = USER
    workbench.credentials = (credential(f"{package_index.url}/other"), credential(package_index.url))
    spec = EnvironmentSpec(requirements=("ice",), extra_index_urls=(other_index.url,))
    with pytest.raises(BuildFailed, match="refuses access"):
        await workbench.build_spec(spec)


async def test_packages_are_fetched_through_a_proxy_with_its_password(
    workbench: Workbench, package_index: PackageIndex, other_index: PackageIndex
) -> None:
    proxy = other_index.url.removesuffix("/simple")
    other_index.files = package_index.files
    workbench.credentials = (credential(proxy),)
    built = await workbench.build_spec(EnvironmentSpec(requirements=("water",), proxy=proxy))
    assert names(built) == ["water"]
    assert package_index.requests == []
    assert {user for _url, user in other_index.proxied} == {USER}


async def test_a_directory_of_wheels_serves_without_any_index(
    workbench: Workbench, package_index: PackageIndex, tmp_path: Path
) -> None:
    folder = tmp_path / "wheels of ours"
    folder.mkdir()
    (folder / "fog-1.0-py3-none-any.whl").write_bytes(wheel("fog", "1.0"))
    spec = EnvironmentSpec(requirements=("fog",), wheel_folder=str(folder), use_index=False)
    built = await workbench.build_spec(spec)
    assert names(built) == ["fog"]
    assert "--hash=sha256:" in built.lock
    assert str(folder) not in built.lock
    assert package_index.requests == []
    both = await workbench.build_spec(EnvironmentSpec(requirements=("fog", "water"), wheel_folder=str(folder)))
    assert names(both) == ["fog", "water"]
    with pytest.raises(BuildFailed, match="“water” is"):
        await workbench.build_spec(EnvironmentSpec(requirements=("water",), wheel_folder=str(folder), use_index=False))
    with pytest.raises(BuildFailed, match="gone"):
        await workbench.build_spec(EnvironmentSpec(requirements=("fog",), wheel_folder="/gone", use_index=False))


async def test_an_index_that_does_not_answer_is_named(
    workbench: Workbench, package_index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "1")
    package_index.held.clear()
    with pytest.raises(BuildFailed, match=r"The package index at 127\.0\.0\.1:\d+ does not answer"):
        await workbench.build("water")


# --- settings --------------------------------------------------------------------------------------------------------


async def test_the_settings_hold_for_every_environment(
    index_settings: Settings, package_index: PackageIndex, other_index: PackageIndex, workbench: Workbench
) -> None:
    package_index.user, other_index.user = USER, "bob:another one"
    first = f"http://ada:{quote(PASSWORD, safe='')}@{package_index.url.removeprefix('http://')}"
    second = f"http://bob:another%20one@{other_index.url.removeprefix('http://')}"
    settings = index_settings.model_copy(
        update={
            "package_extra_index_urls": other_index.url,
            "package_credentials": SecretStr(f"{first} {second}"),
        }
    )
    check_settings(settings)
    assert PASSWORD not in repr(settings)
    everywhere = Workbench(settings, workbench.interpreters)
    assert names(await everywhere.build("ice")) == ["ice", "water"]


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("package_index_url", "https://ada:opensesame@example.org", "put them into KUMO_PACKAGE_CREDENTIALS"),
        ("package_index_url", "example.org", "starts with https://"),
        ("package_extra_index_urls", "https://example.org ftp://x", "starts with https://"),
        ("package_proxy", "http://ada:opensesame@proxy:1", "Put it into KUMO_PACKAGE_CREDENTIALS"),
        ("package_credentials", SecretStr("https://example.org"), "an address with a user and a password"),
        ("package_credentials", SecretStr("https://[x:opensesame"), "an address with a user and a password"),
        ("package_credentials", SecretStr("https://ada:abc@example.org"), "an address with a user and a password"),
    ],
)
def test_settings_that_every_build_would_stumble_over_stop_the_start(
    settings: Settings, setting: str, value: Any, words: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_settings(settings.model_copy(update={setting: value}))
    assert words in caught.value.message
    assert "opensesame" not in caught.value.message


# --- over HTTP -------------------------------------------------------------------------------------------------------


async def test_a_password_is_kept_and_never_given_back(
    http: httpx.AsyncClient, builder: BuilderLoop, clock: ManualClock, package_index: PackageIndex
) -> None:
    package_index.user = USER
    given = {"url": package_index.url, "username": "ada", "password": PASSWORD}
    created = await create(http, packages=["water"], index_credentials=[given])
    path = f"/environments/{created['id']}"
    assert created["index_credentials"] == [{"url": package_index.url, "username": "ada"}]
    await builder.step(clock())
    assert (await http.get(path)).json()["active_build"]["state"] == "ready"

    # The same user and address without a password keeps it; anything else needs one.
    del given["password"]
    kept = await http.patch(path, json={"packages": ["snow"], "index_credentials": [given]})
    assert kept.status_code == 200, kept.text
    await builder.step(clock())
    assert (await http.get(path)).json()["latest_build"]["state"] == "ready"
    refused = error(await http.patch(path, json={"index_credentials": [given | {"username": "bob"}]}), 422)
    assert refused["details"][0]["field"] == "index_credentials.0.password"
    gone = (await http.patch(path, json={"index_credentials": []})).json()
    assert gone["index_credentials"] == []


async def test_another_password_builds_again_what_has_failed(
    http: httpx.AsyncClient, builder: BuilderLoop, clock: ManualClock, package_index: PackageIndex
) -> None:
    package_index.user = USER
    created = await create(http, packages=["water"])
    await builder.step(clock())
    given = {"url": package_index.url, "username": "ada", "password": PASSWORD}
    changed = (await http.patch(f"/environments/{created['id']}", json={"index_credentials": [given]})).json()
    assert changed["latest_build"]["generation"] == 2
    await builder.step(clock())
    again = (await http.patch(f"/environments/{created['id']}", json={"index_credentials": [given]})).json()
    assert (again["latest_build"]["generation"], again["latest_build"]["state"]) == (2, "ready")


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"extra_index_urls": ["https://a.example", "ftp://b"]}, "extra_index_urls.1", "starts with https://"),
        ({"extra_index_urls": ["https://u:p@a.example"]}, "extra_index_urls.0", "give them as index_credentials"),
        ({"index_url": "https://a.example/ b"}, "index_url", "starts with https://"),
        ({"proxy": "proxy"}, "proxy", "http://proxy.example:3128"),
        ({"proxy": "http://u:p@proxy:1"}, "proxy", "Give both as index_credentials."),
        ({"wheel_folder": "wheels"}, "wheel_folder", "the whole path of a directory"),
        ({"wheel_folder": "/srv/../etc"}, "wheel_folder", "the whole path of a directory"),
        ({"wheel_folder": "/gone"}, "wheel_folder", "/gone is no directory on the server."),
        ({"use_index": False}, "wheel_folder", "name the directory that holds the wheels"),
        (
            {"index_credentials": [{"url": "https://x.example", "username": "a", "password": "opensesame"}]},
            "index_credentials.0.url",
            "No index and no proxy of this environment",
        ),
        (
            {
                "index_url": "https://x.example/simple",
                "index_credentials": [{"url": "https://x.example", "username": "a:b", "password": "opensesame"}],
            },
            "index_credentials.0.username",
            "without a colon",
        ),
        (
            {
                "index_url": "https://x.example/simple",
                "index_credentials": [{"url": "https://x.example", "username": "a", "password": "abc"}],
            },
            "index_credentials.0.password",
            "has 4 to 4,000 visible characters",
        ),
        ({"interpreter_id": 9999}, "interpreter_id", "Interpreter 9999 does not exist."),
        ({"source": "interpreter"}, "interpreter_id", "needs interpreter_id"),
    ],
)
async def test_what_no_build_could_use_is_refused_at_its_field(
    http: httpx.AsyncClient, fields: dict[str, Any], field: str, words: str
) -> None:
    refused = error(await http.post("/environments", json={"name": "etl"} | fields), 422)
    assert refused["details"][0]["field"] == field
    assert words in refused["details"][0]["message"]
    assert "opensesame" not in json.dumps(refused)


async def test_passwords_whose_key_is_lost_fail_the_build_with_the_reason(
    http: httpx.AsyncClient, builder: BuilderLoop, clock: ManualClock, package_index: PackageIndex
) -> None:
    given = {"url": package_index.url, "username": "ada", "password": PASSWORD}
    created = await create(http, packages=["water"], index_credentials=[given])
    builder._vault = Vault([bytes(32)])
    await builder.step(clock())
    failed = (await http.get(f"/environments/{created['id']}")).json()["latest_build"]
    assert failed["error"].startswith("The passwords of the environment's indexes cannot be read. This value was")


# --- secrecy ---------------------------------------------------------------------------------------------------------


# Prints all that a build can find, in several forms.
SPY = """
import base64, json, os, sys, urllib.parse
for name, value in os.environ.items():
    for form in (value, urllib.parse.quote(value, safe=""), json.dumps(value), repr(value),
                 base64.b64encode(value.encode()).decode()):
        print(name, form, file=sys.stderr)
raise SystemExit("spied")
"""


def spying_source() -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        project = '[build-system]\nrequires = []\nbuild-backend = "spy"\nbackend-path = ["."]\n'
        archive.writestr("spy-1.0/pyproject.toml", project)
        archive.writestr("spy-1.0/PKG-INFO", "Metadata-Version: 1.0\nName: spy\nVersion: 1.0\n")
        archive.writestr("spy-1.0/spy.py", SPY)
    return packed.getvalue()


FORMS = {
    form.encode()
    for form in (
        PASSWORD,
        quote(PASSWORD),
        quote(PASSWORD, safe=""),
        json.dumps(PASSWORD)[1:-1],
        base64.b64encode(PASSWORD.encode()).decode().rstrip("="),
        base64.b64encode(USER.encode()).decode().rstrip("="),
    )
}


def found_in(data: bytes) -> list[bytes]:
    return [form for form in FORMS if form in data]


async def test_a_password_is_nowhere_to_be_found(
    http: httpx.AsyncClient,
    builder: BuilderLoop,
    clock: ManualClock,
    database: Database,
    build_settings: Settings,
    package_index: PackageIndex,
) -> None:
    package_index.user = USER
    package_index.add_source("spy", "1.0", spying_source())
    proxy = package_index.url.removesuffix("/simple")
    given = [{"url": url, "username": "ada", "password": PASSWORD} for url in (package_index.url, proxy)]
    created = await create(http, packages=["water"], index_credentials=given, proxy=proxy)
    package_index.held.clear()
    package_index.asked.clear()
    step = asyncio.create_task(builder.step(clock()))
    assert await asyncio.to_thread(package_index.asked.wait, 20)
    arguments = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if _is_readable(path)]
    assert any(b"pip\0compile" in line for line in arguments)
    assert found_in(b"\n".join(arguments)) == []
    package_index.held.set()
    await step
    await http.patch(f"/environments/{created['id']}", json={"packages": ["spy"]})
    await builder.step(clock())

    shown = [
        await http.get(path.format(created["id"]))
        for path in ("/environments", "/environments/{}", "/environments/{}/builds", "/environments/{}/packages")
    ]
    failed = shown[1].json()["latest_build"]
    assert "spied" in failed["error_output"]
    assert "spy" in failed["error"]
    shown += [
        await http.get(f"/builds/{failed['id']}/log"),
        await http.get(f"/builds/{created['latest_build']['id']}/lock"),
    ]
    assert "KUMO0_PASSWORD ***" in shown[-2].text
    assert found_in(b"\n".join(answer.content for answer in shown)) == []
    async with database.read() as session:
        builds = [str(row) for row in await session.execute(select(Build.spec, Build.lock, Build.error_output))]
        kept = await session.scalars(select(cast(Environment.credential_owners, Text)))
        encrypted = (await session.scalars(select(Environment.credentials))).one()
    assert found_in("\n".join([*builds, *kept.all()]).encode() + (encrypted or b"")) == []
    files = [path for path in build_settings.home.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 10
    assert [path for path in files if found_in(path.read_bytes())] == []


def _is_readable(path: Path) -> bool:
    try:
        path.read_bytes()
    except OSError:
        return False
    return True


@given(st.lists(st.sampled_from([b"x", b"\n", b"opensesame", b"open", b"sesame", b" " * 30]), max_size=20), st.data())
def test_no_password_survives_however_the_output_is_cut(parts: list[bytes], data: st.DataObject) -> None:
    redactor = Redactor([credential("https://x.example", "opensesame")])
    output = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(output)), max_size=6)))
    pieces = [output[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(output)], strict=True)]
    passed_on = b"".join(redactor.feed(piece) for piece in [*pieces, b"\n"])
    assert b"opensesame" not in passed_on
    assert passed_on == output.replace(b"opensesame", b"***") + b"\n"
