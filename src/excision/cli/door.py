"""Where a service listens, and whom it lets in."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

from cyclopts import Parameter

from excision.cli.keys import key_of
from excision.errors import SettingsError

KEY = "EXCISION_API_KEY"

_LOCAL = ("127.0.0.1", "::1", "localhost")


class Door(NamedTuple):
    """Where the service listens, and whom it lets in.

    Attributes:
        host: address.
        port: 0 for a free one.
        connections: that may be open at once.
        key: that clients must show; None asks for none.
        proxies: addresses and networks of proxies that are believed.
    """

    host: str
    port: int
    connections: int
    key: str | None
    proxies: list[str]


@Parameter(name="*")
@dataclass
class DoorOptions:
    """Address, key, proxies, and number of connections."""

    host: Annotated[
        str, Parameter(help="Address to listen on; any other than this machine requires a key.")
    ] = "127.0.0.1"
    port: Annotated[int, Parameter(help="Port to listen on; 0 chooses a free one.")] = 8000
    api_key_file: Annotated[
        Path | None,
        Parameter(help="File whose first line is the key that clients must send; or set EXCISION_API_KEY."),
    ] = None
    connections: Annotated[int, Parameter(help="Connections that may be open at once.")] = 1000
    behind_proxy: Annotated[
        list[str] | None,
        Parameter(
            help="Address or network of a proxy in front of the service. Its `X-Forwarded-For` and "
            "`X-Forwarded-Proto` are believed: for whom it asks, and whether that was over TLS."
        ),
    ] = None

    def door(self) -> Door:
        """Return what the options say, checked.

        Raises:
            SettingsError: an option is not valid, or other machines are admitted without a key.
        """
        proxies = self.behind_proxy or []
        key = key_of(self.api_key_file, KEY)
        door = Door(self.host, self.port, self.connections, key, _networks(proxies))
        if door.connections < 1:
            raise SettingsError(f"connections is {door.connections} and must be at least 1")
        others = "--behind-proxy" if proxies else f"--host {door.host}" if door.host not in _LOCAL else ""
        if door.key is None and others:
            raise SettingsError(
                f"{others} admits other machines: give a key with --api-key-file or EXCISION_API_KEY"
            )
        return door


def bound(host: str, port: int) -> socket.socket:
    """Bind the address before anything that takes long.

    Raises:
        SettingsError: the address is not of this machine, or in use.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With explicit TCP asyncio sends each answer at once; otherwise its second half may wait 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            # Otherwise the address stays in use for a minute after the previous service.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise SettingsError(f"{host}, port {port}: cannot listen there ({error})") from error
    return listener


def _networks(proxies: list[str]) -> list[str]:
    import ipaddress

    for proxy in proxies:
        try:
            ipaddress.ip_network(proxy)
        except ValueError as error:
            raise SettingsError(
                f"--behind-proxy {proxy}: this is no address and no network ({error})"
            ) from error
    return proxies
