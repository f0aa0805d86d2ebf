"""What an account may do: the one table of roles and permissions. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Permission(StrEnum):
    """One kind of deed; every route names the one it needs."""

    READ = "read"  # see projects, environments, tasks, runs and their logs
    RUN = "run"  # start, stop and repeat runs; pause and resume tasks
    WRITE = "write"  # change projects, files, environments and tasks
    ADMIN = "admin"  # accounts, settings and the installation itself


class Role(StrEnum):
    """What kind of account it is."""

    ADMIN = "admin"


PERMISSIONS_OF_ROLE: dict[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(Permission),
}


def may(role: Role, permission: Permission) -> bool:
    """Whether a role includes a permission."""
    return permission in PERMISSIONS_OF_ROLE[role]


@dataclass(frozen=True, kw_only=True, slots=True)
class Actor:
    """Who asks: the account behind a request."""

    user_id: int
    username: str
    role: Role
