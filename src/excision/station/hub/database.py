"""Connections to the PostgreSQL of a hub, and its errors as those of this project."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from excision.errors import ResultsError, SettingsError, StoreError
from excision.station.hub.schema import SCHEMA, STEPS, VERSION
from excision.system.secrets import without_secrets

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.rows import DictRow

CONNECTIONS = 8
_WAIT = 2.0  # seconds for a connection
_AGAIN = 3.0  # seconds for which a lost connection is tried again by itself
_OPTIONS = f"-c search_path={SCHEMA} -c statement_timeout=60000 -c lock_timeout=10000"
_WELL_FORMED = re.compile(r"\w+://([^@/?#\[]*@)?[^@]*|(?!\w+://).*", re.DOTALL)
_MIGRATING = 7_394_021_158  # number of the lock, which no other program is likely to take


class Database:
    """A pool of connections, each of which finds the tables of the hub.

    Args:
        address: a URL such as "postgresql:///excision", or any other that PostgreSQL's own programs take.

    Raises:
        SettingsError: it cannot be reached, holds no Unicode, or psycopg is missing.
        ResultsError: its tables are of a later version of Excision.
    """

    def __init__(self, address: str) -> None:
        try:
            import psycopg
            from psycopg.rows import dict_row
            from psycopg_pool import ConnectionPool
        except ImportError as error:
            raise SettingsError(
                f'a hub needs psycopg ({error}); install it with: pip install "excision[hub]"'
            ) from error
        settings: dict[str, Any] = {
            "connect_timeout": 5,
            "options": _OPTIONS,
            "application_name": "excision hub",
            "row_factory": dict_row,
            "client_encoding": "UTF8",
        }
        _check_form(address)
        try:
            with psycopg.connect(address, **settings) as connection:
                _migrate(connection)
        except psycopg.Error as error:
            raise SettingsError(f"--database: {_plain(error)}") from error
        self._pool = ConnectionPool(
            address,
            kwargs=settings,
            min_size=1,
            max_size=CONNECTIONS,
            timeout=_WAIT,
            # Then the next request tries at once; otherwise the pauses grow to minutes.
            reconnect_timeout=_AGAIN,
            check=ConnectionPool.check_connection,
            open=True,
        )

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    @contextmanager
    def transaction(self) -> Iterator[Connection[DictRow]]:
        """Do something as a whole or not at all; it is on the disk of the database when the block ends.

        Raises:
            StoreError: the database cannot be reached, or cannot do it now.
        """
        import psycopg
        from psycopg_pool import PoolTimeout, TooManyRequests

        try:
            with self._pool.connection() as connection:
                yield cast("Connection[DictRow]", connection)
        except (PoolTimeout, TooManyRequests) as error:
            raise StoreError("the hub's database cannot be reached, or is busy") from error
        except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError) as error:
            raise StoreError(f"the hub's database: {_plain(error)}") from error

    def rows(self, statement: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[dict[str, Any]]:
        """Ask with a statement that changes nothing, and give the rows.

        Raises:
            StoreError: the database cannot be reached, or cannot answer now.
        """
        with self.transaction() as connection:
            return connection.execute(statement.encode(), values).fetchall()

    def tuples(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Ask as `rows`, and give each row as a tuple."""
        from psycopg.rows import tuple_row

        with self.transaction() as connection, connection.cursor(row_factory=tuple_row) as cursor:
            return cursor.execute(statement.encode(), values).fetchall()


def _check_form(address: str) -> None:
    """Refuse an address that is taken apart in the wrong place: what is quoted may be of the password.

    Raises:
        SettingsError: it is none, or has an @ or a / in its password.
    """
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        conninfo_to_dict(address)
        if _WELL_FORMED.fullmatch(address):
            return
    except ProgrammingError:
        pass
    raise SettingsError(
        "--database: this address cannot be read: write postgresql://USER@HOST:PORT/NAME, with %40 for @ and "
        "%2F for / in a name, and the password in ~/.pgpass"
    )


def _migrate(connection: Connection[DictRow]) -> None:
    """Make the tables, and bring earlier ones up to date: as a whole or not at all.

    Raises:
        SettingsError: the database cannot hold every character.
        ResultsError: they are of a later version.
    """
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise SettingsError(
            f"--database: its encoding is {encoding}, and names may hold any character: make it with "
            "createdb --encoding UTF8 --template template0"
        )
    # Two hubs may start at once: the second waits here, and then finds them made.
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATING,))
    known = connection.execute("SELECT to_regnamespace(%s) IS NOT NULL AS known", (SCHEMA,)).fetchone()
    if known is None or not known["known"]:
        connection.execute(f"CREATE SCHEMA {SCHEMA}".encode())
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version integer NOT NULL)")
    row = connection.execute("SELECT max(version) AS version FROM schema_version").fetchone()
    version = 0 if row is None or row["version"] is None else int(row["version"])
    if version > VERSION:
        raise ResultsError(
            f"--database: its tables were made by a later version of Excision (schema {version}, this one "
            f"knows {VERSION}): update this installation"
        )
    for step in range(version + 1, VERSION + 1):
        connection.execute(STEPS[step].encode())
        connection.execute("INSERT INTO schema_version VALUES (%s)", (step,))


def _plain(error: Exception) -> str:
    """Give what PostgreSQL says in one line, without a password."""
    return without_secrets(" ".join(str(error).split())) or type(error).__name__
