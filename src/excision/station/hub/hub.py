"""The hub as one object, which the interface and its pages share; it knows nothing of HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field

from excision.station.hub.database import Database
from excision.station.hub.intake import Intake
from excision.station.hub.store import HubStore


@dataclass
class Hub:
    """The results of many stations; it inspects nothing.

    Args:
        address: of its PostgreSQL.

    Attributes:
        store: results of all stations.
        intake: takes what stations send.

    Raises:
        SettingsError: the database cannot be reached, or psycopg is missing.
        ResultsError: its tables are of a later version of Excision.
    """

    address: str = field(repr=False)

    def __post_init__(self) -> None:
        self._database = Database(self.address)
        self.store = HubStore(self._database)
        self.intake = Intake(self._database)

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()
