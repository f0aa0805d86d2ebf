"""The HTTP edge that every route shares: one error envelope, request ids, transactions, pages of lists.

| code | status | when |
| --- | --- | --- |
| validation_error | 422 | something in the request is wrong; `details` name the fields |
| unauthenticated | 401 | nobody is signed in, or the token is not valid |
| forbidden | 403 | signed in, but not allowed, or the CSRF header is missing |
| not_found | 404 | the thing named, or the route, does not exist |
| method_not_allowed | 405 | the route exists, but not with this method |
| conflict | 409 | a name taken, something in use, changed by somebody else meanwhile |
| too_large | 413 | more bytes or files than the limit |
| rate_limited | 429 | too often; `Retry-After` says when to try again |
| internal_error | 500 | a defect of Kumo; the request id finds it in the log |
| unavailable | 503 | something that Kumo needs does not answer |
"""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import structlog
from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kumo.db.session import Database
from kumo.errors import Detail, InvalidInput, KumoError, RateLimited, Unavailable

log = structlog.get_logger(__name__)

T = TypeVar("T")

STATUS_OF_CODE = {
    "validation_error": 422,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "conflict": 409,
    "too_large": 413,
    "rate_limited": 429,
    "internal_error": 500,
    "unavailable": 503,
}
_CODE_OF_STATUS = {status: code for code, status in STATUS_OF_CODE.items()} | {400: "validation_error"}

DEFAULT_PAGE = 50
LARGEST_PAGE = 500

# Far enough from both ends of what Python can count that zones and triggers stay within.
_FIRST_YEAR, _LAST_YEAR = 1900, 3000


class ErrorDetail(BaseModel):
    """One field that is wrong."""

    field: str
    message: str


class ErrorBody(BaseModel):
    """What went wrong, in a word for programs and a sentence for people."""

    code: str
    message: str
    path: str
    details: list[ErrorDetail]
    request_id: str


class ErrorEnvelope(BaseModel):
    """The one shape of every answer that is not a success."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "error": {
                    "code": "not_found",
                    "message": "Task 9 does not exist.",
                    "path": "/api/v1/tasks/9",
                    "details": [],
                    "request_id": "5f0c6f6e2d5b4b6e",
                }
            }
        }
    )

    error: ErrorBody


class Input(BaseModel):
    """Root of what comes in: a field that is not known is an error, not a silence."""

    model_config = ConfigDict(extra="forbid")


def _in_utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# A moment in an answer: ISO 8601 in UTC with Z, to the millisecond.
UtcMoment = Annotated[datetime, PlainSerializer(_in_utc, return_type=str, when_used="json")]


def _with_zone(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("The time has no zone. End it with Z for UTC, or an offset as +02:00.")
    if not _FIRST_YEAR < moment.year < _LAST_YEAR:
        raise ValueError(f"The year must lie between {_FIRST_YEAR} and {_LAST_YEAR}.")
    return moment.astimezone(UTC)


# A moment in a request. Without a zone it would be read in the server's, which whoever writes it does not know.
GivenMoment = Annotated[datetime, AfterValidator(_with_zone)]


# An id in a path or a query: what does not fit the database's 64 bits is a wrong id, not a failure of the database.
RowId = Annotated[int, Field(ge=1, le=2**63 - 1)]


def error_answers(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route: the error answers it can give, for the OpenAPI document."""
    return {STATUS_OF_CODE[code]: {"model": ErrorEnvelope, "description": code} for code in codes}


# --- transactions ----------------------------------------------------------------------------------------------------


# A coroutine, like every dependency here: FastAPI would send a plain function through its thread pool.
async def _database(request: Request) -> Database:
    return database(request)


def database(request: Request) -> Database:
    """The database of the application that serves this request."""
    found: Database = request.app.state.database
    return found


async def _read(request: Request) -> AsyncIterator[AsyncSession]:
    async with database(request).read() as session:
        yield session


async def _write(request: Request) -> AsyncIterator[AsyncSession]:
    async with database(request).write() as session:
        yield session


DatabaseDep = Annotated[Database, Depends(_database)]
# scope="function": the transaction ends before the answer leaves, so that "accepted" means stored, and so that a
# slow client holds no connection.
ReadSession = Annotated[AsyncSession, Depends(_read, scope="function")]
WriteSession = Annotated[AsyncSession, Depends(_write, scope="function")]


# --- answers that take their time ------------------------------------------------------------------------------------


async def unless_left(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What the work answers; it is ended as soon as nobody waits for the answer any more."""
    answer, departure = asyncio.create_task(work), asyncio.create_task(_departure(request))
    try:
        await asyncio.wait({answer, departure}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise Unavailable("The client has left before the answer was there.")
        return answer.result()
    finally:
        answer.cancel()
        departure.cancel()
        await asyncio.gather(answer, departure, return_exceptions=True)


async def _departure(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


# --- pages of lists --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Page:
    """Which part of a list is asked for: at most `limit` rows after the one that `after` names."""

    limit: int
    after: tuple[str | int, ...] | None

    def after_id(self) -> int | None:
        """The one id that the cursor of a list sorted by id holds; None on the first page."""
        if self.after is None:
            return None
        match self.after:
            case (int(row_id),) if 0 <= row_id < 2**63:
                return row_id
        raise wrong_cursor()

    def after_name(self) -> str | None:
        """The one name that the cursor of a list sorted by unique names holds; None on the first page."""
        if self.after is None:
            return None
        match self.after:
            case (str(name),):
                return name
        raise wrong_cursor()

    def next_cursor(self, rows: Sequence[Any], key: Sequence[Any] | None) -> str | None:
        """The cursor of the next page, from the sort key of this page's last row; None when there is no next page.

        Ask the database for `limit + 1` rows: the one too many says that there is more.
        """
        return None if len(rows) <= self.limit or key is None else cursor_of(key)


def cursor_of(key: Sequence[Any]) -> str:
    """The cursor that leads to the place in a list that a sort key names."""
    raw = json.dumps(list(key), separators=(",", ":"), default=str).encode()
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def wrong_cursor() -> InvalidInput:
    """What a list answers whose cursor is none of its own."""
    return InvalidInput.at("cursor", "This cursor is not valid; start again from the first page.")


async def page(
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="How many items at most.")] = DEFAULT_PAGE,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.", max_length=1000)] = None,
) -> Page:
    """Read `?limit=&cursor=`; a cursor that this server did not make is refused."""
    if cursor is None:
        return Page(limit=limit, after=None)
    try:
        after = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, RecursionError):
        raise wrong_cursor() from None
    if not isinstance(after, list) or not all(_may_stand_in_a_cursor(part) for part in after):
        raise wrong_cursor()
    return Page(limit=limit, after=tuple(after))


def _may_stand_in_a_cursor(part: object) -> bool:
    """Names without NUL, which PostgreSQL cannot compare, and numbers, of which `true` is none to SQLAlchemy."""
    return "\0" not in part if isinstance(part, str) else type(part) is int


PageDep = Annotated[Page, Depends(page)]


# --- errors ----------------------------------------------------------------------------------------------------------


def add_error_handlers(app: FastAPI) -> None:
    """Answer every failure in the one envelope."""
    app.add_exception_handler(KumoError, _answer_kumo_error)
    app.add_exception_handler(RequestValidationError, _answer_invalid_request)
    app.add_exception_handler(HTTPException, _answer_http_exception)
    app.add_exception_handler(DataError, _answer_unstorable)
    app.add_exception_handler(OperationalError, _answer_database_error)
    app.add_exception_handler(PoolTimeoutError, _answer_database_error)


def error_response(request: Request, error: KumoError) -> JSONResponse:
    """The envelope of one error."""
    status = STATUS_OF_CODE.get(error.code, 500)
    headers = {}
    if isinstance(error, RateLimited):
        headers["Retry-After"] = str(error.retry_after_seconds)
    if status == STATUS_OF_CODE["unauthenticated"]:
        headers["WWW-Authenticate"] = "Bearer"
    return _envelope(request, status, error.code, error.message, error.details, headers)


def _envelope(  # noqa: PLR0913 - the envelope's own fields
    request: Request,
    status: int,
    code: str,
    message: str,
    details: Sequence[Detail] = (),
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    body = ErrorBody(
        code=code,
        message=message,
        path=request.url.path,
        details=[ErrorDetail(field=d.field, message=d.message) for d in details],
        request_id=request.scope.get("request_id", ""),
    )
    return JSONResponse({"error": body.model_dump()}, status_code=status, headers=headers)


async def _answer_kumo_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, KumoError)
    return error_response(request, error)


async def _answer_invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    details = [Detail(field=_field(e["loc"]), message=_message(e)) for e in error.errors()]
    first = details[0]
    where = f"{first.field}: " if first.field else ""
    return _envelope(request, 422, "validation_error", f"{where}{first.message}", details)


async def _answer_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = _CODE_OF_STATUS.get(error.status_code, "internal_error")
    messages = {
        404: f"There is nothing at {request.url.path}.",
        405: f"{request.method} is not possible at {request.url.path}.",
    }
    message = messages.get(error.status_code, str(error.detail))
    return _envelope(request, error.status_code, code, message, headers=dict(error.headers or {}))


async def _answer_unstorable(request: Request, error: Exception) -> JSONResponse:
    log.warning("the database refused a value", error=str(error))
    message = "A value in the request cannot be stored: it is out of range or holds a NUL character."
    return _envelope(request, 422, "validation_error", message)


async def _answer_database_error(request: Request, error: Exception) -> JSONResponse:
    log.error("database does not answer", error=str(error))
    return _envelope(request, 503, "unavailable", "The database does not answer just now. Try again in a moment.")


def _field(location: tuple[Any, ...]) -> str:
    places = ("body", "query", "path", "header", "cookie")
    parts = location[1:] if location and location[0] in places else location
    return ".".join(str(part) for part in parts)


def _message(error: Any) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = "This field is not known"
    if error["type"] == "missing":
        message = "This field is required"
    return message if message.endswith(".") else message + "."


class RequestContext:
    """Gives each request an id, logs its end, and turns what nobody caught into a 500 without a traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; WebSocket and lifespan events pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex[:16]
        scope["request_id"] = request_id
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message.setdefault("headers", []).append((b"x-request-id", request_id.encode()))
            await send(message)

        structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            log.exception("request failed", method=scope["method"], path=scope["path"])
            if started:
                raise
            answer = _envelope(
                Request(scope),
                500,
                "internal_error",
                f"Something went wrong inside Kumo. Its log says more under the request id {request_id}.",
            )
            await answer(scope, receive, send_with_id)
        finally:
            structlog.contextvars.unbind_contextvars("request_id")


def search_pattern(words: str) -> str:
    r"""The LIKE pattern (escape `\`) of names that contain these words as they stand."""
    escaped = words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
