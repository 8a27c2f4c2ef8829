"""The users of a station, kept in the file of its results."""

from __future__ import annotations

import sqlite3
import unicodedata
from dataclasses import dataclass
from typing import Any

from excision.errors import SettingsError
from excision.station.people import passwords
from excision.station.people.roles import PROGRAM, ROLES, Role
from excision.station.store import trail
from excision.station.store.store import Store

ADDED, ROLE_CHANGED, PASSWORD_CHANGED, DISABLED, ENABLED, SIGNED_IN, SIGNED_OUT = (
    "user added",
    "user role changed",
    "user password changed",
    "user disabled",
    "user enabled",
    "signed in",
    "signed out",
)
"""Kinds of events about users."""

LONGEST_NAME = 64
_MOST = 10_000  # users; each is read into memory


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with a password, or whom a provider signs in.

    Attributes:
        id: number, which is never given twice.
        name: as it is shown.
        role: what the user may do.
        password: Argon2id hash; empty, which no password fits, for whom a provider signs in.
        disabled: whether the user may not sign in.
        generation: grows with every change after which the user has to sign in again.
        language: that the user chose; empty for that of the browser.
        issuer: address of the provider that signs the user in; None for a user with a password.
        subject: by which the provider knows the user.
    """

    id: int
    name: str
    role: Role
    password: str
    disabled: bool
    generation: int
    language: str
    issuer: str | None = None
    subject: str | None = None

    @property
    def is_outside(self) -> bool:
        """Tell whether a provider signs the user in."""
        return self.issuer is not None


class Users:
    """The users of a station. Nobody is ever removed: the audit trail names them.

    Args:
        store: of the station.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> list[User]:
        """Give all users, in the order in which they were added."""
        return [_user(row) for row in self._store.rows("SELECT * FROM users ORDER BY id")]

    def find(self, name: str) -> User | None:
        """Give the user of a name, in upper or lower case, or None."""
        rows = self._store.rows("SELECT * FROM users WHERE key = ?", (key_of(name),))
        return _user(rows[0]) if rows else None

    def add(self, name: str, role: Role, password: str, who: str) -> None:
        """Add a user.

        Args:
            name: unlike that of any other, in upper or lower case.
            role: of the user; the first user is an admin.
            password: that the user is told.
            who: adds the user.

        Raises:
            SettingsError: the name, the role or the password cannot be used.
        """
        name = _checked(name)
        passwords.check(password, name)
        hash_ = passwords.hashed(password)
        with self._store.transaction() as connection:
            own = connection.execute("SELECT 1 FROM users WHERE issuer IS NULL LIMIT 1").fetchone()
            if own is None and role != Role.ADMIN:
                raise SettingsError("the first user must be an admin, who can then add others")
            try:
                self._insert(connection, name, role, hash_)
            except sqlite3.IntegrityError as error:
                raise SettingsError(
                    f"there is a user {name} already: enable it, or take another name"
                ) from error
            trail.append(connection, ADDED, {"user": name, "role": role.value}, who)

    def set_role(self, name: str, role: Role, who: str) -> None:
        """Give a user another role; the user has to sign in again.

        Raises:
            SettingsError: there is no such user, no other admin, or a provider says what the role is.
        """
        with self._store.transaction() as connection:
            user = self._existing(connection, name)
            _refuse_outside(user, "role")
            if role != Role.ADMIN:
                self._keep_an_admin(connection, user)
            self._change(connection, user, "role = ?", role.value)
            trail.append(
                connection,
                ROLE_CHANGED,
                {"user": user.name, "role": role.value, "before": user.role.value},
                who,
            )

    def set_password(self, name: str, password: str, who: str) -> None:
        """Give a user another password; the user has to sign in again.

        Raises:
            SettingsError: there is no such user, the password cannot be used, or a provider signs the
                user in.
        """
        passwords.check(password, name.strip())
        hash_ = passwords.hashed(password)
        with self._store.transaction() as connection:
            user = self._existing(connection, name)
            _refuse_outside(user, "password")
            self._change(connection, user, "password = ?", hash_)
            trail.append(connection, PASSWORD_CHANGED, {"user": user.name}, who)

    def set_disabled(self, name: str, disabled: bool, who: str) -> None:
        """Keep a user from signing in, or allow it again.

        Raises:
            SettingsError: there is no such user, or no other admin.
        """
        with self._store.transaction() as connection:
            user = self._existing(connection, name)
            if disabled:
                self._keep_an_admin(connection, user)
            if user.disabled != disabled:
                self._change(connection, user, "disabled = ?", int(disabled))
                trail.append(connection, DISABLED if disabled else ENABLED, {"user": user.name}, who)

    def admit(self, issuer: str, subject: str, name: str, role: Role, label: str) -> User:
        """Give the user whom a provider has signed in, with the role that it says; a new one is added.

        A user keeps the name of the first time. A name that another user has is followed by the label.

        Args:
            issuer: address of the provider.
            subject: by which it knows the user.
            name: of the user.
            role: that the user has from now on.
            label: what the provider is called; stands in the trail as who made the change.

        Raises:
            SettingsError: the name cannot be used, or there are too many users.
        """
        with self._store.transaction() as connection:
            asked = "SELECT * FROM users WHERE issuer = ? AND subject = ?"
            row = connection.execute(asked, (issuer, subject)).fetchone()
            if row is None:
                name = self._free(connection, name, label)
                self._insert(connection, name, role, issuer=issuer, subject=subject)
                trail.append(connection, ADDED, {"user": name, "role": role.value}, label)
            elif (user := _user(row)).role != role and not user.disabled:
                self._change(connection, user, "role = ?", role.value)
                changed = {"user": user.name, "role": role.value, "before": user.role.value}
                trail.append(connection, ROLE_CHANGED, changed, label)
            return _user(connection.execute(asked, (issuer, subject)).fetchone())

    def note(self, what: str, who: str) -> None:
        """Note in the trail that a user signed in or out."""
        with self._store.transaction() as connection:
            trail.append(connection, what, {}, who)

    def set_language(self, number: int, language: str) -> None:
        """Keep the language that a user chose; it is nobody else's business, and not in the trail."""
        with self._store.transaction() as connection:
            connection.execute("UPDATE users SET language = ? WHERE id = ?", (language, number))

    @staticmethod
    def _insert(
        connection: sqlite3.Connection,
        name: str,
        role: Role,
        password: str = "",
        issuer: str | None = None,
        subject: str | None = None,
    ) -> None:
        (count,) = connection.execute("SELECT count(*) FROM users").fetchone()
        if count >= _MOST:
            raise SettingsError(f"a station has {_MOST} users at most")
        connection.execute(
            "INSERT INTO users (key, name, role, password, issuer, subject) VALUES (?, ?, ?, ?, ?, ?)",
            (key_of(name), name, role.value, password, issuer, subject),
        )

    @staticmethod
    def _free(connection: sqlite3.Connection, name: str, label: str) -> str:
        """Give a name that nobody has."""
        taken = "SELECT 1 FROM users WHERE key = ?"
        for number in range(1, _MOST):
            mark = "" if number == 1 else f" ({label})" if number == 2 else f" ({label} {number - 1})"
            found = _checked(f"{name[: LONGEST_NAME - len(mark)]}{mark}")
            if connection.execute(taken, (key_of(found),)).fetchone() is None:
                return found
        raise SettingsError(f"too many users are called {name[:LONGEST_NAME]}")

    @staticmethod
    def _change(connection: sqlite3.Connection, user: User, change: str, value: Any) -> None:
        connection.execute(
            f"UPDATE users SET {change}, generation = generation + 1 WHERE id = ?", (value, user.id)
        )

    @staticmethod
    def _existing(connection: sqlite3.Connection, name: str) -> User:
        row = connection.execute("SELECT * FROM users WHERE key = ?", (key_of(name),)).fetchone()
        if row is None:
            raise SettingsError(f"there is no user {name[:LONGEST_NAME]!r}: list them first")
        return _user(row)

    @staticmethod
    def _keep_an_admin(connection: sqlite3.Connection, user: User) -> None:
        others = connection.execute(
            "SELECT count(*) FROM users WHERE role = 'admin' AND NOT disabled AND issuer IS NULL AND id != ?",
            (user.id,),
        ).fetchone()[0]
        # Whom a provider signs in cannot come in while the provider is away.
        if user.role == Role.ADMIN and not user.disabled and not user.is_outside and not others:
            raise SettingsError(f"{user.name} is the last admin: make another user an admin first")


def role_of(text: str) -> Role:
    """Read a role.

    Raises:
        SettingsError: there is none of that name.
    """
    found = next((role for role in ROLES if role == text.strip().lower()), None)
    if found is None:
        raise SettingsError(f"there is no role {text[:30]!r}: choose one of {', '.join(ROLES)}")
    return found


def key_of(name: str) -> str:
    """Give a name as it is compared with others."""
    return unicodedata.normalize("NFKC", name.strip()[:1000]).casefold().encode("utf-8", "replace").decode()


def _refuse_outside(user: User, what: str) -> None:
    if user.is_outside:
        raise SettingsError(
            f"{user.name} signs in with a provider, which says what the {what} is: change it there"
        )


def _checked(name: str) -> str:
    name = unicodedata.normalize("NFC", " ".join(name.split()))
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise SettingsError(f"the name of a user has 1 to {LONGEST_NAME} characters that can be printed")
    if key_of(name).startswith(key_of(PROGRAM)):
        raise SettingsError(f"{PROGRAM} stands for programs in the audit trail: take another name")
    return name


def _user(row: sqlite3.Row) -> User:
    values = dict(row)
    del values["key"]
    return User(**{**values, "role": Role(values["role"]), "disabled": bool(values["disabled"])})
