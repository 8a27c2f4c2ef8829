"""`excision station user`: who may do what at a station."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from excision.cli.options import JsonOption
from excision.cli.output import say

if TYPE_CHECKING:
    from excision.station.people.users import Users

app = App(
    name="user",
    help_epilogue="Without users, whoever may reach the station may do everything. With the first one, "
    "people sign in with a name and a password, and their role says what they may do. The first user is an "
    "admin. A password is asked for, or is the first line of `--password-file` or of the standard input. A "
    "station that runs knows of a change within a second; whose role or password was changed has to sign in "
    "again.\n\n"
    "```\n"
    "excision station user add station costa --role admin\n"
    "excision station user add station weber --role reviewer --password-file weber.txt\n"
    "excision station user role station weber engineer\n"
    "excision station user disable station weber\n"
    "```",
)

StationArgument = Annotated[Path, Parameter(help="Folder of a station.")]
NameArgument = Annotated[str, Parameter(help="Name of the user.")]
PasswordFile = Annotated[Path | None, Parameter(help="File whose first line is the password.")]
RoleName = Literal["operator", "reviewer", "engineer", "admin"]

_MOST = 4096  # bytes of a password and what follows it


@app.command
def add(
    station: StationArgument,
    name: NameArgument,
    /,
    *,
    role: Annotated[RoleName, Parameter(help="What the user may do; the first user is an admin.")],
    password_file: PasswordFile = None,
) -> None:
    """Add a user."""
    from excision.station.people.users import role_of

    with _users(station) as users:
        users.add(name, role_of(role), _password(password_file, name), _who())
    say(f"{name.strip()} is {role} of {station}")


@app.command(name="list")
def list_(station: StationArgument, /, *, json_file: JsonOption = None) -> None:
    """List the users."""
    from excision.system.files import write_json

    with _users(station) as users:
        found = users.all()
    for user in found:
        say(f"{user.name}: {user.role}{', disabled' if user.disabled else ''}")
    if not found:
        say("no users: whoever may reach the station may do everything")
    if json_file is not None:
        listed = [{"name": user.name, "role": user.role, "disabled": user.disabled} for user in found]
        write_json(json_file, {"users": listed})


@app.command
def disable(
    station: StationArgument,
    name: NameArgument,
    /,
    *,
    undo: Annotated[bool, Parameter(help="Allow it again.", negative="")] = False,
) -> None:
    """Keep a user from signing in; what the user did stays in the audit trail."""
    with _users(station) as users:
        users.set_disabled(name, not undo, _who())
    say(f"{name.strip()} {'may sign in again' if undo else 'is disabled'}")


@app.command
def password(station: StationArgument, name: NameArgument, /, *, password_file: PasswordFile = None) -> None:
    """Give a user another password."""
    with _users(station) as users:
        users.set_password(name, _password(password_file, name), _who())
    say(f"{name.strip()} has a new password")


@app.command
def role(
    station: StationArgument,
    name: NameArgument,
    role: Annotated[RoleName, Parameter(help="New role.")],
    /,
) -> None:
    """Give a user another role."""
    from excision.station.people.users import role_of

    with _users(station) as users:
        users.set_role(name, role_of(role), _who())
    say(f"{name.strip()} is {role} now")


@contextmanager
def _users(station: Path) -> Iterator[Users]:
    from contextlib import closing

    from excision.errors import ResultsError
    from excision.station.people.users import Users
    from excision.station.store.connection import RESULTS
    from excision.station.store.store import Store

    if not station.is_dir():
        raise ResultsError(
            f"{station}: there is no such folder: name the folder of a station, or make it first"
        )
    with closing(Store(station / RESULTS)) as store:
        yield Users(store)


def _password(path: Path | None, name: str) -> str:
    """Read a password from a file, from a terminal without showing it, or from the standard input."""
    import getpass

    from excision.errors import SettingsError

    if path is not None:
        with path.open("rb") as stream:
            content = stream.read(_MOST)
        try:
            return content.decode("utf-8-sig").split("\n", 1)[0].rstrip("\r")
        except UnicodeDecodeError as error:
            raise SettingsError(f"{path}: the password is not UTF-8") from error
    if not sys.stdin.isatty():
        return sys.stdin.readline(_MOST).rstrip("\r\n")
    first = getpass.getpass(f"Password of {name}: ")
    if getpass.getpass("Once more: ") != first:
        raise SettingsError("the two passwords differ: nothing was changed")
    return first


def _who() -> str:
    """Give the name to record: that of the account which runs the command."""
    import getpass

    try:
        return f"{getpass.getuser()} (command line)"
    except (OSError, KeyError):
        return "command line"
