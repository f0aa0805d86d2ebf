"""What holds for every route, also for those that are still to come."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

import httpx
from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from kumo.access.dependencies import Requirement
from kumo.access.gate import PUBLIC_ROUTES
from kumo.app import API_PREFIX, PUBLIC_ROUTERS, ROUTERS, create_app
from kumo.settings import Settings


def _routes(router: APIRouter) -> Iterator[APIRoute]:
    """The routes of a router and of those that it includes."""
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield route
        else:
            included: APIRouter = route.original_router  # type: ignore[attr-defined]  # FastAPI's own, unnamed class
            yield from _routes(included)


def _requirements(dependant: Dependant) -> Iterator[Requirement]:
    if isinstance(dependant.call, Requirement):
        yield dependant.call
    for below in dependant.dependencies:
        yield from _requirements(below)


def _example(path: str, number: str = "1") -> str:
    return re.sub(r"\{[^}]*\}", number, path)


async def test_every_route_that_is_not_public_answers_401_without_login(
    app: FastAPI, stranger: httpx.AsyncClient
) -> None:
    asked = 0
    for path, operations in app.openapi()["paths"].items():
        for method in operations:
            if (method.upper(), path) in PUBLIC_ROUTES:
                continue
            answer = await stranger.request(method.upper(), f"http://kumo.test{_example(path)}")
            assert answer.status_code == 401, f"{method} {path}"
            assert answer.json()["error"]["code"] == "unauthenticated"
            asked += 1
    assert asked > 20


def test_every_route_that_is_not_public_names_a_permission(settings: Settings) -> None:
    named, public = set(), set()
    for router in (*PUBLIC_ROUTERS, *ROUTERS):
        for route in _routes(router):
            operations = {(method, API_PREFIX + route.path_format) for method in route.methods or ()}
            if router in PUBLIC_ROUTERS:
                public |= operations
            else:
                assert list(_requirements(route.dependant)), f"{route.methods} {route.path} names no permission"
                named |= operations
    assert public == PUBLIC_ROUTES
    documented = {
        (method.upper(), path)
        for path, operations in create_app(settings).openapi()["paths"].items()
        for method in operations
    }
    assert documented == named | public


async def test_an_id_beyond_the_database_s_range_is_no_failure(app: FastAPI, client: httpx.AsyncClient) -> None:
    for path, operations in app.openapi()["paths"].items():
        if "{" not in path:
            continue
        for method in operations:
            if "stream" in path:
                continue
            answer = await client.request(method.upper(), f"http://kumo.test{_example(path, str(2**63))}", json={})
            assert answer.status_code in (404, 422), f"{method} {path}: {answer.text}"


async def test_a_number_beyond_all_bounds_in_the_query_is_no_failure(app: FastAPI, client: httpx.AsyncClient) -> None:
    asked = 0
    for path, operations in app.openapi()["paths"].items():
        for parameter in operations.get("get", {}).get("parameters", []):
            if parameter["in"] == "query" and "integer" in str(parameter["schema"]) and "stream" not in path:
                for number in (2**31, 2**63, 10**300, -1):
                    query = {parameter["name"]: number}
                    answer = await client.get(f"http://kumo.test{_example(path)}", params=query)
                    assert answer.status_code in (200, 404, 422), f"{path} {query}: {answer.text}"
                    asked += 1
    assert asked > 20


async def test_a_cursor_that_no_list_has_given_is_refused_by_every_list(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    ids: dict[str, int] = {}
    made: list[tuple[str, str, dict[str, object]]] = [
        ("/projects", "project_id", {}),
        ("/environments", "environment_id", {"packages": []}),
        ("/tasks", "task_id", {"command": "true", "project_id": 1}),
        ("/variables", "variable_id", {"value": "x", "scope": "global"}),
    ]
    for path, name, body in made:
        ids[name] = (await client.post(path, json={"name": "one"} | body)).json()["id"]
    file = f"/projects/{ids['project_id']}/files/main.py"
    assert (await client.put(file, json={"content": "print()"})).is_success
    ids["run_id"] = (await client.post(f"/tasks/{ids['task_id']}/run")).json()["id"]
    # Whatever a list is sorted by, these are no place in it.
    places = [
        "",
        "{}",
        "[]",
        "[null]",
        "[true]",
        "[1.5]",
        "[-1]",
        f"[{2**63}]",
        "[[1]]",
        r'["\u0000"]',
        "[0,0,0]",
        "[" * 740,
    ]
    encoded = [base64.urlsafe_b64encode(place.encode()).decode().rstrip("=") for place in places]
    asked = 0
    for path, operations in app.openapi()["paths"].items():
        parameters = operations.get("get", {}).get("parameters", [])
        if not any(parameter["name"] == "cursor" for parameter in parameters):
            continue
        url = f"http://kumo.test{path.format_map(ids)}"
        needed = {p["name"]: "x" for p in parameters if p["in"] == "query" and p.get("required")}
        assert (await client.get(url, params=needed)).status_code == 200, path
        for cursor in (*encoded, "!", "x", "\0", "雲", "_w", "x" * 1001):
            answer = await client.get(url, params={"cursor": cursor} | needed)
            assert answer.status_code == 422, f"{path} {cursor}: {answer.text}"
            assert [detail["field"] for detail in answer.json()["error"]["details"]] == ["cursor"], path
        asked += 1
    assert asked >= 10


async def test_what_does_not_exist_is_told_in_the_envelope(client: httpx.AsyncClient) -> None:
    nothing = await client.get("/nothing")
    assert nothing.status_code == 404
    assert nothing.json()["error"] == {
        "code": "not_found",
        "message": "There is nothing at /api/v1/nothing.",
        "path": "/api/v1/nothing",
        "details": [],
        "request_id": nothing.headers["x-request-id"],
    }
    wrong = await client.delete("/auth/me")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_allowed")
    assert (await client.get("http://kumo.test/api/v1/auth/me/")).status_code == 404


async def test_the_openapi_document_is_for_the_signed_in(client: httpx.AsyncClient) -> None:
    document = (await client.get("http://kumo.test/api/openapi.json")).json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], f"{method} {path}"


def test_the_openapi_document_is_the_same_each_time(settings: Settings) -> None:
    assert create_app(settings).openapi() == create_app(settings).openapi()
