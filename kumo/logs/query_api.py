"""What every route that searches asks for: the words or the expression, and whoever carries searches out."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request

from kumo.errors import InvalidInput
from kumo.logs import finders
from kumo.logs.searching import Searches

SECONDS = 2.0  # for one request; the answer then says where to go on
_MOST_WORDS = 500


async def _query(
    q: Annotated[str, Query(min_length=1, max_length=_MOST_WORDS, description="What a line must contain.")],
    regex: Annotated[  # noqa: FBT002 - a query parameter
        bool, Query(description="`q` is a regular expression, as Python's `re` reads it.")
    ] = False,
    case: Annotated[bool, Query(description="Mind the letters' case.")] = False,  # noqa: FBT002
) -> finders.Query:
    if "\n" in q:
        raise InvalidInput.at("q", "A search finds lines: what it looks for cannot go on in the next line.")
    return finders.Query(words=q, is_pattern=regex, minds_case=case)


async def _searches(request: Request) -> Searches:
    found: Searches = request.app.state.searches
    return found


QueryDep = Annotated[finders.Query, Depends(_query)]
SearchesDep = Annotated[Searches, Depends(_searches)]
