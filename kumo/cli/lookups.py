"""Finding what a person names, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kumo.cli.client import Client
from kumo.errors import InvalidInput


def all_items(client: Client, path: str, **query: Any) -> Iterator[dict[str, Any]]:
    """Everything in a list, page after page."""
    cursor = None
    while True:
        page = client.call("GET", path, params=query | {"limit": 500} | ({"cursor": cursor} if cursor else {}))
        yield from page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def task_id(client: Client, wanted: str) -> int:
    """The id of a task that is given by id or name."""
    return _id(client, "task", wanted, "`kumo task list` shows them.")


def project_id(client: Client, wanted: str) -> int:
    """The id of a project that is given by id or name."""
    return _id(client, "project", wanted, "`kumo project list` shows them.")


def _id(client: Client, kind: str, wanted: str, where: str) -> int:
    if wanted.isdigit():
        return int(wanted)
    for item in all_items(client, f"/{kind}s", q=wanted):
        if item["name"] == wanted:
            return int(item["id"])
    raise InvalidInput(f"There is no {kind} named {wanted!r}. {where}")
