"""The options of a hub, and of a station that sends its results to one."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from excision.cli.keys import key_of
from excision.errors import SettingsError

if TYPE_CHECKING:
    from excision.station.outbox.settings import OutboxSettings

DATABASE, HUB_KEY = "EXCISION_DATABASE", "EXCISION_HUB_KEY"
"""Variables of the environment."""

_PASSWORD = re.compile(r"://[^/@]*:[^/@]+@|\bpassword\s*=")


@Parameter(name="*")
@dataclass
class OutboxOptions:
    """The hub that a station sends its results to."""

    hub_url: Annotated[
        str | None, Parameter(help="Address of a hub (`excision serve --hub`) that gets every result.")
    ] = None
    hub_key_file: Annotated[
        Path | None,
        Parameter(help="File whose first line is the key that the hub asks for; or set EXCISION_HUB_KEY."),
    ] = None
    station_name: Annotated[
        str | None,
        Parameter(name="--station", help="Name of this station at the hub; needed with --hub-url."),
    ] = None
    station_page: Annotated[
        str, Parameter(help="Address of this station's own pages, to which the hub links.")
    ] = ""

    def outbox(self) -> OutboxSettings | None:
        """Return where results are sent, or None.

        Raises:
            SettingsError: an option is not valid, or one lacks another.
        """
        if self.hub_url is None:
            given = [
                name
                for name, value in (
                    ("--hub-key-file", self.hub_key_file),
                    ("--station", self.station_name),
                    ("--station-page", self.station_page),
                )
                if value
            ]
            if given:
                raise SettingsError(f"{given[0]} needs --hub-url, the address of the hub")
            return None
        from excision.station.outbox.settings import OutboxSettings

        if self.station_name is None:
            raise SettingsError("--hub-url needs --station NAME: the name of this station at the hub")
        key = key_of(self.hub_key_file, HUB_KEY)
        return OutboxSettings(self.hub_url, self.station_name, key, self.station_page)


@Parameter(name="*")
@dataclass
class HubOptions:
    """A hub in place of a station."""

    hub: Annotated[
        bool,
        Parameter(
            help="Be a hub: keep the results that stations send in a PostgreSQL, and inspect nothing. "
            "Takes no models.",
            negative="",
        ),
    ] = False
    database: Annotated[
        str | None,
        Parameter(
            help="Address of the hub's PostgreSQL, such as postgresql:///excision; or set EXCISION_DATABASE."
        ),
    ] = None
    station_key_file: Annotated[
        Path | None,
        Parameter(help="File whose first line is the key that lets stations send, and nobody read."),
    ] = None

    def check(self, models: bool, outbox: OutboxOptions) -> None:
        """Refuse what a hub cannot do.

        Raises:
            SettingsError: there are models, or another hub to send to.
        """
        if models:
            raise SettingsError("--hub inspects nothing: name no models; the stations send their results")
        if outbox.hub_url is not None:
            raise SettingsError("--hub takes results and sends none: leave out --hub-url")

    def check_unused(self) -> None:
        """Refuse options of a hub without one.

        Raises:
            SettingsError: there are some.
        """
        if self.database is not None or self.station_key_file is not None:
            raise SettingsError("--database and --station-key-file belong to a hub: add --hub")

    def address(self) -> str:
        """Return the address of the database.

        Raises:
            SettingsError: there is none.
        """
        address = self.database or os.environ.get(DATABASE, "")
        if not address:
            raise SettingsError(
                "--hub needs --database, such as postgresql:///excision, or EXCISION_DATABASE"
            )
        if self.database and _PASSWORD.search(self.database):
            print(
                "excision: note: every user of this machine can see the password in --database: put it into "
                f"{DATABASE} or ~/.pgpass",
                file=sys.stderr,
            )
        return address
