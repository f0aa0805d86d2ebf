"""Packages over HTTP: what is newer, adding and removing in one build, finding by name."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from kumo.environments.building.builder import BuilderLoop
from kumo.environments.interpreters.finding import Interpreters
from kumo.environments.needs.definition import EnvironmentDefinition
from kumo.environments.needs.editing import edited
from kumo.errors import InvalidInput
from tests.environments.asking import create, error
from tests.environments.conftest import Projects
from tests.environments.package_index import PackageIndex
from tests.fakes import ManualClock

HASH = "sha256:" + "a" * 64


@pytest.fixture
async def built(http: httpx.AsyncClient, builder: BuilderLoop, clock: ManualClock) -> dict[str, Any]:
    """An environment with snow, which needs water 1.0."""
    created = await create(http, packages=["snow"])
    await builder.step(clock())
    return created


# --- newer versions --------------------------------------------------------------------------------------------------


async def test_newer_versions_are_asked_of_the_index_and_remembered(
    http: httpx.AsyncClient, built: dict[str, Any], package_index: PackageIndex
) -> None:
    path = f"/environments/{built['id']}/packages/outdated"
    found = (await http.get(path)).json()
    assert found["items"] == [{"name": "water", "version": "1.0", "latest_version": "2.0"}]
    assert found["build_id"] == built["latest_build"]["id"]
    package_index.requests.clear()
    assert (await http.get(path)).json() == found
    assert package_index.requests == []


async def test_an_index_that_does_not_say_what_is_newer_is_told(
    http: httpx.AsyncClient, built: dict[str, Any], package_index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kumo.environments.package_search._TIMEOUT_SECONDS", 1)
    package_index.held.clear()
    path = f"/environments/{built['id']}/packages/outdated"
    refused = error(await http.get(path, params={"refresh": True}), 503)
    assert refused["message"] == "The package index did not answer within 1 seconds."
    waiting = await create(http, name="waiting")
    refused = error(await http.get(f"/environments/{waiting['id']}/packages/outdated"), 409)
    assert "has no build in use" in refused["message"]


async def test_twenty_packages_are_listed_at_once(
    http: httpx.AsyncClient, builder: BuilderLoop, clock: ManualClock, package_index: PackageIndex
) -> None:
    names = [f"part{number}" for number in range(20)]
    for name in names:
        package_index.add_wheel(name, "1.0")
    created = await create(http, packages=names)
    await builder.step(clock())
    package_index.requests.clear()
    took = []
    for _ in range(5):
        began = time.perf_counter()
        answer = await http.get(f"/environments/{created['id']}/packages")
        took.append(time.perf_counter() - began)
        assert len(answer.json()["items"]) == 20
    assert min(took) < 0.05
    assert package_index.requests == []


# --- adding and removing ---------------------------------------------------------------------------------------------


async def test_adding_and_removing_is_one_build(
    http: httpx.AsyncClient, built: dict[str, Any], builder: BuilderLoop, clock: ManualClock
) -> None:
    path = f"/environments/{built['id']}/packages"
    queued = await http.post(path, json={"add": ["steam", "Water >= 2"], "remove": ["Snow"]})
    assert queued.status_code == 202
    assert (queued.json()["generation"], queued.json()["state"]) == (2, "queued")
    environment = (await http.get(f"/environments/{built['id']}")).json()
    assert environment["packages"] == ["steam", "Water>=2"]
    await builder.step(clock())
    items = (await http.get(path)).json()["items"]
    assert {item["name"]: item["version"] for item in items} == {"steam": "1.0", "water": "2.0"}
    same = (await http.post(path, json={"add": ["steam"]})).json()
    assert same["generation"] in (2, 3)


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({}, "add", "Name packages to add, or to remove."),
        ({"add": ["water", "--index-url http://x"]}, "add.1", "chooses a package index"),
        ({"add": ["requests; rm -rf /"]}, "add.0", "is no requirement"),
        ({"add": ["$(reboot)"]}, "add.0", "is no requirement"),
        (
            {"remove": ["ice"]},
            "remove.0",
            "“ice” is not asked for and cannot be removed: the environment does not have",
        ),
        ({"remove": ["snow", "water"]}, "remove.1", "cannot be removed: another package needs it."),
        ({"add": ["water"], "remove": ["Water"]}, "remove", "cannot be added and removed at once"),
    ],
)
async def test_what_cannot_be_added_or_removed_is_named(
    http: httpx.AsyncClient, built: dict[str, Any], body: dict[str, Any], field: str, words: str
) -> None:
    refused = error(await http.post(f"/environments/{built['id']}/packages", json=body), 422)
    assert refused["details"][0]["field"] == field
    assert words in refused["details"][0]["message"]


async def test_the_packages_of_a_project_are_changed_in_its_files(http: httpx.AsyncClient, projects: Projects) -> None:
    created = await create(http, project_id=await projects.create({"requirements.txt": "water\n"}))
    refused = error(await http.post(f"/environments/{created['id']}/packages", json={"add": ["snow"]}), 409)
    assert refused["message"] == "Environment 'etl' holds what its project declares; change the project's files."


def test_the_rest_of_a_requirements_text_stays_as_it_is() -> None:
    text = f"# ours\n\nrich>=13  # tables\nsix==1.17.0 \\\n    --hash={HASH} \\\n    --hash={HASH}\n# the end\nidna\n"
    definition = EnvironmentDefinition(name="etl", requirements=text)
    after = edited(definition, add=["rich>=14", "attrs"], remove=["six"], installed=set())
    assert after.requirements == "# ours\n\n# the end\nidna\nrich>=14\nattrs\n"
    with pytest.raises(InvalidInput, match="“six” is not asked for"):
        edited(after, add=[], remove=["six"], installed={"six"})


# --- finding ---------------------------------------------------------------------------------------------------------


async def search(http: httpx.AsyncClient, q: str, **params: Any) -> dict[str, Any]:
    answer = await http.get("/packages/search", params={"q": q} | params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("form", ["json", "html"])
async def test_names_are_found_by_a_part_of_them(
    http: httpx.AsyncClient, package_index: PackageIndex, form: str
) -> None:
    package_index.lists_as_json = form == "json"
    package_index.add_wheel("water_fall", "3.0")
    assert await search(http, "Water") == {
        "items": [{"name": "water", "latest_version": "2.0"}, {"name": "water-fall", "latest_version": None}],
        "notice": None,
    }
    found = await search(http, "ate")
    assert [item["name"] for item in found["items"]] == ["water", "water-fall"]
    assert (await search(http, "no-such")) == {
        "items": [],
        "notice": "No package named “no-such” is on the package index.",
    }
    assert package_index.requests.count("/simple/") == 1


async def test_an_index_that_lists_too_much_is_asked_for_the_exact_name(
    http: httpx.AsyncClient, package_index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kumo.environments.indexes.listing._LARGEST_BYTES", 20)
    assert (await search(http, "water"))["items"] == [{"name": "water", "latest_version": "2.0"}]
    found = await search(http, "wat")
    assert found["items"] == []
    assert found["notice"].endswith("It cannot be searched by parts of names, so write the whole name.")


async def test_without_an_answer_the_name_comes_back_as_it_was_typed(
    http: httpx.AsyncClient, built: dict[str, Any], package_index: PackageIndex
) -> None:
    package_index.status = 503
    found = await search(http, "Ice_Cream")
    assert found["items"] == [{"name": "ice-cream", "latest_version": None}]
    assert found["notice"].endswith("“ice-cream” is not checked; it can be added.")
    # What this installation has met is found all the same.
    assert {"name": "snow", "latest_version": None} in (await search(http, "sno"))["items"]


async def test_an_environment_is_searched_with_its_own_index_and_password(
    http: httpx.AsyncClient, package_index: PackageIndex
) -> None:
    package_index.user = "ada:open sesame"
    assert "refuses access" in (await search(http, "water"))["notice"]
    given = [{"url": package_index.url, "username": "ada", "password": "open sesame"}]
    created = await create(http, index_url=package_index.url, index_credentials=given)
    for params in ({"environment_id": created["id"]}, {"index": package_index.url, "environment_id": created["id"]}):
        found = await search(http, "wat", **params)
        assert [item["name"] for item in found["items"]] == ["water"]


@pytest.mark.parametrize("index", ["http://127.0.0.1:1/simple", "file:///etc", "http://169.254.169.254/latest"])
async def test_only_indexes_that_are_set_up_are_asked(http: httpx.AsyncClient, index: str) -> None:
    refused = error(await http.get("/packages/search", params={"q": "water", "index": index}), 422)
    assert refused["details"][0]["field"] == "index"


@pytest.mark.parametrize("q", ["--help", "-e .", "a b", "water==1", "ä", "../x", "a" * 101, " "])
async def test_what_is_no_name_is_not_searched(http: httpx.AsyncClient, package_index: PackageIndex, q: str) -> None:
    refused = error(await http.get("/packages/search", params={"q": q}), 422)
    assert refused["details"][0]["field"] == "q"
    assert package_index.requests == []


async def test_a_silent_machine_does_not_hold_a_search_up(
    http: httpx.AsyncClient, package_index: PackageIndex, interpreters: Interpreters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kumo.environments.package_search._TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr("kumo.environments.indexes.listing._TIMEOUT_SECONDS", 0.5)
    package_index.held.clear()
    found = await search(http, "water")
    assert found["items"] == [{"name": "water", "latest_version": None}]
    assert "did not answer within" in found["notice"]
