"""The people of a station as a whole: who is set up, and who signs in."""

from __future__ import annotations

import logging
import threading
import time

from excision.errors import BusyError, SettingsError, StoreError
from excision.station.people import passwords
from excision.station.people.attempts import Attempts
from excision.station.people.oidc.outside import Outside
from excision.station.people.roles import Person
from excision.station.people.settings import PeopleSettings
from excision.station.people.users import User, Users, key_of
from excision.station.store.store import Store

FRESH = 1.0
"""Seconds after which a change that another process made is seen."""


class WaitError(Exception):
    """Too many wrong passwords: none is looked at for a while.

    Attributes:
        seconds: to wait.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many wrong passwords: try again in {seconds} seconds")
        self.seconds = seconds


_LOG = logging.getLogger(__name__)

_NEVER = float("-inf")  # when the users were read last


class People:
    """Who may use a station. Where no users are set up, whoever may come in may do everything.

    Args:
        store: of the station.
        settings: how people sign in.

    Raises:
        SettingsError: users are set up, and their passwords cannot be checked on this machine; or the
            provider of `settings` cannot be used.

    Attributes:
        settings: how people sign in.
        users: of the station.
        outside: signs people in with a provider; None where there is none.
    """

    def __init__(self, store: Store, settings: PeopleSettings | None = None) -> None:
        self.settings = settings or PeopleSettings()
        self.users = Users(store)
        self._attempts = Attempts()
        # One at a time: each takes 64 MiB and a core, which the inspections need more.
        self._hashing = threading.Lock()
        self._known: dict[int, User] = {}
        self._read = _NEVER
        self.refresh()
        self.outside = None if self.settings.oidc is None else Outside(self.users, self.settings.oidc)
        if self.has_own and not passwords.is_available():
            raise SettingsError('this station has users, who need argon2-cffi: pip install "excision[users]"')

    @property
    def are_set_up(self) -> bool:
        """Tell whether people have to sign in: there are users, or a provider that signs them in."""
        return bool(self._known) or self.settings.oidc is not None

    @property
    def has_own(self) -> bool:
        """Tell whether there are users with a password."""
        return any(not user.is_outside for user in self._known.values())

    def is_outside(self, number: int) -> bool:
        """Tell whether a provider signs a user in."""
        user = self._known.get(number)
        return user is not None and user.is_outside

    @property
    def is_stale(self) -> bool:
        """Tell whether it is time to `refresh`."""
        return time.monotonic() - self._read > FRESH

    def refresh(self) -> None:
        """Look who is set up now.

        A file that cannot be read for the moment leaves everything as it was, also that there are no users.

        Raises:
            StoreError: it could never be read so far, so that nobody knows whether there are users.
            BusyError: as above.
        """
        began, self._read = self._read, time.monotonic()
        try:
            self._known = {user.id: user for user in self.users.all()}
        except (StoreError, BusyError):
            if began == _NEVER:
                # Better nobody than everybody.
                self._read = _NEVER
                raise

    def choose_language(self, number: int, language: str) -> None:
        """Keep the language that a user chose."""
        self.users.set_language(number, language)
        self.refresh()

    def user(self, number: int, generation: int) -> User | None:
        """Give a user who has not been changed since a session began, and who is not disabled."""
        user = self._known.get(number)
        return user if user and user.generation == generation and not user.disabled else None

    def note(self, what: str, who: str) -> None:
        """Note in the trail that a user signed in or out, as far as it can be written now."""
        try:
            self.users.note(what, who)
        except (StoreError, BusyError) as error:
            # Whoever makes room on a full disk has to come in.
            _LOG.warning("%s %s, which could not be written to the audit trail: %s", who, what, error)

    def sign_in(self, name: str, password: str, address: str) -> User | None:
        """Give the user of a name and password, or None where they are wrong; this takes a while.

        Args:
            name: of the user.
            password: as it was typed.
            address: of the client.

        Raises:
            WaitError: too many were wrong.
            StoreError: the users cannot be read.
        """
        key = key_of(name)
        wait = self._attempts.begin(key, address)
        if wait:
            raise WaitError(wait)
        user = self.users.find(name)
        with self._hashing:
            right = passwords.fits(user.password if user else "", password[: passwords.LONGEST + 1])
        if user is None or not right or user.disabled:
            return None
        self._attempts.right(key, address)
        self.refresh()
        return user


def person_from(user: User) -> Person:
    """Give a user who has signed in."""
    return Person(user.name, user.role, user.id, user.language)
