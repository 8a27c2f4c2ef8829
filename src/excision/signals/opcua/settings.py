"""What a table `[signals.NAME]` of kind "opcua" says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from excision.errors import SettingsError
from excision.signals.opcua.tags import TAGS, check_tag
from excision.system.credentials import Secret
from excision.system.duration import Duration

if TYPE_CHECKING:
    from excision.signals.signal import Signal


@dataclass(frozen=True, slots=True)
class OpcUaSettings:
    """OPC UA, where the station is the server, or writes the tags of another one.

    Attributes:
        mode: "server", or "client" of a PLC's server.
        endpoint: address to listen at, or of the PLC's server: opc.tcp://HOST:PORT/PATH.
        security: of the channel: "encrypt" signs and encrypts, "sign" signs, both by Basic256Sha256.
        certificates: folder of the station's certificate and key, made at the first start.
        user: name that a client gives to this server, or this client to the PLC's.
        password: of the user.
        anonymous: whether a server also lets in who gives no name.
        trusted: folder of the certificates that a server lets in; none: it lets in each with the right user.
        server_certificate: of the PLC's server; none: the one that it shows is taken.
        recipes: names of models that a server lists.
        results: that a server keeps for queries.
        tags: of the PLC's server: node by the name of what is written or read.
        acknowledge_timeout: until the PLC must have copied report_number to acknowledge.
    """

    mode: Literal["server", "client"] = "server"
    endpoint: str = "opc.tcp://127.0.0.1:4840/excision"
    security: Literal["encrypt", "sign", "none"] = "encrypt"
    certificates: Path | None = None
    user: str | None = None
    password: Secret | None = None
    anonymous: bool = False
    trusted: Path | None = None
    server_certificate: Path | None = None
    recipes: tuple[str, ...] = ()
    results: int = 100
    tags: Mapping[str, str] = field(default_factory=dict)
    acknowledge_timeout: Duration = Duration(1.0)

    def __post_init__(self) -> None:
        self._check_endpoint()
        self._check_access()
        if not 1 <= self.results <= 1000:
            raise SettingsError(f"results is {self.results}: it must be from 1 to 1000")
        if len(self.recipes) > 1000 or not all(self.recipes) or len(set(self.recipes)) < len(self.recipes):
            raise SettingsError("recipes must be at most 1000 names of models, none empty, none twice")
        if self.mode == "server" and self.tags:
            raise SettingsError('tags is for mode = "client": the server has nodes of its own')
        if self.mode == "client" and not self.tags:
            raise SettingsError(f"tags is missing: say which node each of these is: {', '.join(TAGS)}")
        for name, node in self.tags.items():
            check_tag(name, node)
        if "acknowledge" in self.tags and "report_number" not in self.tags:
            raise SettingsError("tags.acknowledge needs tags.report_number, which the PLC copies there")

    def _check_endpoint(self) -> None:
        try:
            parts = urlsplit(self.endpoint)
            right = parts.scheme == "opc.tcp" and parts.hostname and parts.username is None
            port = parts.port
        except ValueError:
            right, port = False, None
        if not right or len(self.endpoint) > 1000:
            raise SettingsError(f"endpoint is {self.endpoint[:80]!r}: write opc.tcp://HOST:PORT/PATH")
        if port is None:
            raise SettingsError(f"endpoint is {self.endpoint!r}: say the port, usually 4840")

    def _check_access(self) -> None:
        if self.security != "none" and self.certificates is None:
            raise SettingsError(
                'certificates is missing: name a folder such as "opcua" for the certificate and key'
            )
        if (self.user is None) != (self.password is None):
            raise SettingsError("user and password go together: one of them is missing")
        if self.mode == "server" and self.user is None and not self.anonymous:
            raise SettingsError("user is missing: give user and password, or set anonymous = true")
        if self.mode == "server" and self.user is not None and self.security == "none":
            raise SettingsError('security is "none": a password would go over the wire in the open')
        if self.mode == "client" and self.user is not None and self.security == "none":
            raise SettingsError('security is "none": the password would go over the wire in the open')
        for name in ("trusted", "anonymous"):
            if self.mode == "client" and getattr(self, name):
                raise SettingsError(f'{name} is for mode = "server"')
        if self.mode == "server" and self.server_certificate is not None:
            raise SettingsError('server_certificate is for mode = "client"')

    def open(self, name: str) -> Signal:
        """Give the signal, not started.

        Raises:
            SettingsError: the certificate or password cannot be read.
            ModuleNotFoundError: the extra "opcua" is not installed.
        """
        if self.mode == "client":
            from excision.signals.opcua.client import OpcUaClient

            return OpcUaClient(name, self)
        from excision.signals.opcua.server import OpcUaServer

        return OpcUaServer(name, self)

    def check(self) -> list[str]:
        """Say whether the server can listen, or whether the PLC's server knows every tag.

        Raises:
            ExcisionError: it cannot, or does not.
        """
        from excision.signals.opcua.checking import check_opcua

        return check_opcua(self)
