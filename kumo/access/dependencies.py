"""What a route asks of whoever calls it.

The gate (`kumo.access.gate`) has already found out who calls; here a route says what the caller must be allowed to do.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request

from kumo.access.credentials import Caller
from kumo.access.gate import Authenticator
from kumo.access.permissions import Actor, Permission, may
from kumo.errors import Forbidden, Unauthenticated
from kumo.secrets import Vault

__all__ = [
    "REQUIREMENTS",
    "Actor",
    "AuthenticatorDep",
    "CallerDep",
    "Requirement",
    "VaultDep",
    "current_caller",
    "require",
]


async def current_caller(request: Request) -> Caller:
    """Who calls, and by which secret; `Unauthenticated` when nobody is signed in."""
    caller: Caller | None = request.scope.get("kumo.caller")
    if caller is None:
        raise Unauthenticated("Sign in first, or send an API token as “Authorization: Bearer kumo_…”.")
    return caller


CallerDep = Annotated[Caller, Depends(current_caller)]


class Requirement:
    """The dependency that lets only those through who hold one permission."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    async def __call__(self, request: Request) -> Actor:
        """Give the actor to the route, or refuse."""
        # Called, not depended upon: each dependency of a dependency costs every request as much as the check itself.
        actor = (await current_caller(request)).actor
        if not may(actor.role, self.permission):
            raise Forbidden(f"Your account may not do this; it lacks the permission “{self.permission}”.")
        return actor


REQUIREMENTS = {permission: Requirement(permission) for permission in Permission}


def require(permission: Permission) -> Any:
    """The permission that a route needs, for an `Annotated[Actor, …]` parameter."""
    return Depends(REQUIREMENTS[permission])


async def _authenticator(request: Request) -> Authenticator:
    found: Authenticator = request.app.state.authenticator
    return found


AuthenticatorDep = Annotated[Authenticator, Depends(_authenticator)]


async def _vault(request: Request) -> Vault:
    found: Vault = request.app.state.vault
    return found


VaultDep = Annotated[Vault, Depends(_vault)]
