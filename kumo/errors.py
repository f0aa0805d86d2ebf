"""Every failure that a person can cause or must know of.

    KumoError
    ├── InvalidInput        something sent from outside is wrong; `details` name the fields
    ├── Unauthenticated     nobody is signed in
    ├── Forbidden           signed in, but not allowed
    ├── NotFound            the thing named does not exist
    ├── Conflict            the thing's present state forbids it
    │   ├── NameTaken         another thing of its kind has the name; `details` name the field `name`
    │   └── ChangedMeanwhile  it is not in the version any more that was seen; `details` name the field `version`
    ├── TooLarge            more bytes, files or entries than the limit
    ├── RateLimited         too often; try again later
    ├── Unavailable         something that Kumo needs does not answer (disk, registry, database)
    └── ConfigurationError  Kumo cannot start as it is set up

A domain's own errors subclass one of these, in the module that raises them. The message is the sentence that the
person reads: what is wrong and what to do. Status codes belong to `kumo.http` alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class Detail:
    """One thing that is wrong, at one place of the input."""

    field: str  # dotted path in the request, as "triggers.0.expression"; "" for the request as a whole
    message: str


class KumoError(Exception):
    """Root of Kumo's own errors."""

    code: ClassVar[str] = "internal_error"

    def __init__(self, message: str, *, details: tuple[Detail, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class InvalidInput(KumoError):
    """Something sent from outside is wrong."""

    code = "validation_error"

    @classmethod
    def at(cls, field: str, message: str) -> InvalidInput:
        """Blame one field; the message stands alone as the error's sentence too."""
        return cls(message, details=(Detail(field=field, message=message),))


class Unauthenticated(KumoError):
    """Nobody is signed in."""

    code = "unauthenticated"


class Forbidden(KumoError):
    """Signed in, but not allowed."""

    code = "forbidden"


class NotFound(KumoError):
    """The thing named does not exist."""

    code = "not_found"


class Conflict(KumoError):
    """The thing's present state forbids the request."""

    code = "conflict"


class NameTaken(Conflict):
    """Another thing of its kind has the name."""

    def __init__(self, message: str) -> None:
        super().__init__(message, details=(Detail(field="name", message=message),))


class ChangedMeanwhile(Conflict):
    """It is not in the version any more that was seen: the change would undo another one unseen."""

    def __init__(self, message: str) -> None:
        super().__init__(message, details=(Detail(field="version", message=message),))


class TooLarge(KumoError):
    """More bytes, files or entries than the limit."""

    code = "too_large"


class RateLimited(KumoError):
    """Asked too often."""

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(KumoError):
    """Something that Kumo needs does not answer."""

    code = "unavailable"


class ConfigurationError(KumoError):
    """Kumo cannot start as it is set up."""

    code = "configuration_error"
