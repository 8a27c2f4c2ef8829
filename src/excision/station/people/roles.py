"""Roles, and the person behind a request."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from starlette.requests import HTTPConnection

PROGRAM = "API key"
"""Name of whoever shows the station's key where users are set up."""


class Role(StrEnum):
    """What somebody may do; each role may do what those before it may."""

    NOBODY = "nobody"
    OPERATOR = "operator"
    REVIEWER = "reviewer"
    ENGINEER = "engineer"
    ADMIN = "admin"

    def covers(self, other: Role) -> bool:
        """Tell whether this role may do what another may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


ROLES = (Role.OPERATOR, Role.REVIEWER, Role.ENGINEER, Role.ADMIN)
"""Those that a user can have."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who sends requests.

    Attributes:
        name: as it stands in the audit trail; empty where no users are set up.
        role: what the person may do.
        user: number of the user in the station's file; None for all others.
        language: that the person chose; empty for that of the browser.
    """

    name: str
    role: Role
    user: int | None = None
    language: str = ""


NOBODY = Person("", Role.NOBODY)
"""Somebody who has not signed in."""

EVERYBODY = Person("", Role.ADMIN)
"""Whoever may come in where no users are set up."""


def person_of(request: HTTPConnection) -> Person:
    """Give the person behind a request."""
    person: Person = request.scope.get("state", {}).get("person", NOBODY)
    return person


def name_of(request: HTTPConnection, given: str) -> str:
    """Give the name to record for what a request changes.

    A user who has signed in cannot act under another name. A program that shows the key may say for whom it
    acts, and that it was a program is recorded as well.

    Args:
        request: that changes something.
        given: name that it gives.
    """
    person, given = person_of(request), given.strip()
    if not person.name:
        return given
    if person.name == PROGRAM and given:
        return f"{PROGRAM}: {given}"
    return person.name
