"""The one route that a git host calls after a push: whoever knows the address of a project may ask for a pull.

Only a push to what the project follows pulls; anything else is answered with the reason why not, so that the page of
deliveries at the host explains itself.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Header, Path, Request, status

from kumo.access.dependencies import VaultDep
from kumo.access.throttle import LoginThrottle
from kumo.clock import utc_now
from kumo.db.session import Database
from kumo.errors import Forbidden, InvalidInput, NotFound
from kumo.http import DatabaseDep, error_answers
from kumo.projects.git import sources
from kumo.projects.git.models import GitSource
from kumo.projects.git.sources import Order
from kumo.projects.git_schemas import HookAnswer

public_router = APIRouter(tags=["webhooks"])

_NOT_A_PUSH = frozenset({"ping"})


async def _throttle(request: Request) -> LoginThrottle:
    found: LoginThrottle = request.app.state.hooks.throttle
    return found


Signature = Annotated[str | None, Header(alias="X-Hub-Signature-256", max_length=200)]
GiteaSignature = Annotated[str | None, Header(alias="X-Gitea-Signature", max_length=200)]
GitlabToken = Annotated[str | None, Header(alias="X-Gitlab-Token", max_length=400)]
Event = Annotated[str | None, Header(alias="X-GitHub-Event", max_length=100)]


@public_router.post(
    "/hooks/git/{token}",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Ask for a pull after a push",
    responses=error_answers(
        "forbidden", "not_found", "conflict", "too_large", "rate_limited", "unavailable", "validation_error"
    ),
    openapi_extra={
        "requestBody": {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}, "required": False}
    },
)
async def call_git_webhook(  # noqa: PLR0913 - what hosts send
    request: Request,
    token: Annotated[str, Path(max_length=200, description="The secret part of the project's address.")],
    database: DatabaseDep,
    throttle: Annotated[LoginThrottle, Depends(_throttle)],
    vault: VaultDep,
    signature: Signature = None,
    gitea_signature: GiteaSignature = None,
    gitlab_token: GitlabToken = None,
    event: Event = None,
) -> HookAnswer:
    """Pull if the body, as GitHub, Gitea, Forgejo and GitLab send it, tells of a push to what the project follows.

    A call without a body asks for a pull, whatever was pushed. Where the address has a secret, a call proves that it
    knows it: by `X-Hub-Signature-256`, `X-Gitea-Signature` or `X-Gitlab-Token`.
    """
    source = await _find(request, database, token, throttle)
    body = await request.body()
    if source.sealed_hook_secret is not None:
        secret = vault.decrypt(source.sealed_hook_secret)
        _check(secret, body, signature=signature, gitea_signature=gitea_signature, gitlab_token=gitlab_token)
    if event in _NOT_A_PUSH:
        return HookAnswer(pull_id=None, message="The address works. A push will pull the project.")
    if body and (why_not := _why_not(source, _pushed(request, body))) is not None:
        return HookAnswer(pull_id=None, message=why_not)
    async with database.write() as session:
        pull = await sources.request_pull(session, source.project_id, Order(cause="webhook", now=utc_now()))
    return HookAnswer(pull_id=pull.id, message="The project will be pulled.")


async def _find(request: Request, database: Database, token: str, throttle: LoginThrottle) -> GitSource:
    """What the project of an address follows. Who guesses is slowed down; who knows an address never is."""
    async with database.read() as session:
        source = await sources.source_of_hook(session, token)
    if source is not None:
        return source
    address = request.client.host if request.client else ""
    throttle.check("", address, utc_now())
    throttle.failed("", address, utc_now())
    raise NotFound("There is no webhook at this address.")


def _check(
    secret: bytes, body: bytes, *, signature: str | None, gitea_signature: str | None, gitlab_token: str | None
) -> None:
    expected = hmac.new(secret, body, hashlib.sha256).hexdigest()
    proofs = (
        (signature, b"sha256=" + expected.encode()),
        (gitea_signature, expected.encode()),
        (gitlab_token, secret),
    )
    if not any(given is not None and hmac.compare_digest(given.encode("latin-1"), right) for given, right in proofs):
        raise Forbidden(
            "The call does not prove that it knows the webhook's secret. Enter the same secret at the git host, which "
            "then sends X-Hub-Signature-256, X-Gitea-Signature or X-Gitlab-Token."
        )


def _pushed(request: Request, body: bytes) -> dict[str, Any]:
    """What a host tells of a push: JSON, or a form with JSON in its field `payload`."""
    try:
        if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            body = parse_qs(body.decode(), max_num_fields=10)["payload"][0].encode()
        told = json.loads(body)
    except (ValueError, KeyError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise InvalidInput.at("", "The body is no JSON as git hosts send it. Choose application/json at the host.")
    return told


def _why_not(source: GitSource, told: dict[str, Any]) -> str | None:
    """Why a push does not concern the project; None when it does."""
    pushed = told.get("ref")
    if not isinstance(pushed, str):
        return "This tells of no push, so nothing is pulled."
    if source.ref_kind == "commit":
        return "The project follows one commit, so nothing is pulled."
    if source.ref_name is None:
        repository = told.get("repository") or told.get("project")
        known = repository.get("default_branch") if isinstance(repository, dict) else None
        name = known if isinstance(known, str) else source.main_branch
        followed = None if name is None else f"refs/heads/{name}"
    else:
        followed = f"refs/{'heads' if source.ref_kind == 'branch' else 'tags'}/{source.ref_name}"
    if followed is None or pushed == followed:
        return None
    return f"The project follows {followed}, not {pushed[:200]}, so nothing is pulled."
