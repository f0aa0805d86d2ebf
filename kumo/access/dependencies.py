"""What a route asks of whoever calls it.

The gate (`kumo.access.gate`) has already found out who calls; here a route says what the caller must be allowed to do.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request

from kumo.access.permissions import Actor, Permission, may
from kumo.errors import Forbidden, Unauthenticated

__all__ = ["Actor", "Requirement", "current_actor", "require"]


async def current_actor(request: Request) -> Actor:
    """Who is signed in; `Unauthenticated` when nobody is."""
    actor: Actor | None = request.scope.get("kumo.actor")
    if actor is None:
        raise Unauthenticated("Sign in first, or send an API token as `Authorization: Bearer kumo_…`.")
    return actor


class Requirement:
    """The dependency that lets only those through who hold one permission."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    async def __call__(self, actor: Annotated[Actor, Depends(current_actor)]) -> Actor:
        """Give the actor to the route, or refuse."""
        if not may(actor.role, self.permission):
            raise Forbidden(f"Your account may not do this; it lacks the permission “{self.permission}”.")
        return actor


_REQUIREMENTS = {permission: Requirement(permission) for permission in Permission}


def require(permission: Permission) -> Any:
    """Name the permission that a route needs: `actor: Annotated[Actor, require(Permission.RUN)]`."""
    return Depends(_REQUIREMENTS[permission])
