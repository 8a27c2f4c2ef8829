"""A session with a PLC's server, and the tags in it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asyncua import Client, Node, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256

from excision.signals.signal import RefusedError, SignalError

if TYPE_CHECKING:
    from excision.signals.opcua.settings import OpcUaSettings

ANSWER = 4.0
"""Seconds that the server has for an answer."""

PUBLISH = 20
"""Milliseconds between two messages of a subscription."""

LOOK = 1.0
"""Seconds between two looks at the connection."""

_MODES = {"encrypt": ua.MessageSecurityMode.SignAndEncrypt, "sign": ua.MessageSecurityMode.Sign}
_NUMBERS = {
    ua.VariantType.SByte: (-(2**7), 2**7 - 1),
    ua.VariantType.Byte: (0, 2**8 - 1),
    ua.VariantType.Int16: (-(2**15), 2**15 - 1),
    ua.VariantType.UInt16: (0, 2**16 - 1),
    ua.VariantType.Int32: (-(2**31), 2**31 - 1),
    ua.VariantType.UInt32: (0, 2**32 - 1),
    ua.VariantType.Int64: (-(2**63), 2**63 - 1),
    ua.VariantType.UInt64: (0, 2**64 - 1),
}


@contextlib.contextmanager
def said_as(what: str) -> Iterator[None]:
    """Raise what the library raises, which has no base of its own, as a `SignalError` about something."""
    try:
        yield
    except (Exception, asyncio.CancelledError) as error:
        if isinstance(error, SignalError):
            raise
        task = asyncio.current_task()
        # The library cancels what waits for a lost connection; our own end is cancelled as well.
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            raise
        raise SignalError(f"{what}: {_reason(error)}") from error


class PlcTags:
    """One session with the PLC's server.

    Args:
        settings: of the table.
        uri: identity of the station's application.
    """

    def __init__(self, settings: OpcUaSettings, uri: str) -> None:
        self._settings = settings
        self._client = Client(settings.endpoint, timeout=ANSWER, watchdog_intervall=LOOK)
        self._client.application_uri = uri
        self._client.name = "Excision"
        self._nodes: dict[str, Node] = {}
        self._kinds: dict[str, ua.VariantType] = {}

    async def open(self, files: tuple[Path, Path] | None, password: str | None) -> None:
        """Connect, and look at every tag.

        Raises:
            SignalError: the server is away, refuses, or does not know a tag.
        """
        with said_as(self._settings.endpoint):
            await self._connect(files, password)
        try:
            for name, text in self._settings.tags.items():
                with said_as(f"tags.{name} is {text}"):
                    node = self._client.get_node(ua.NodeId.from_string(text))
                    self._kinds[name] = await node.read_data_type_as_variant_type()
                self._nodes[name] = node
        except SignalError:
            await self.close()
            raise

    async def close(self) -> None:
        """End the session."""
        with contextlib.suppress(SignalError), said_as(self._settings.endpoint):
            await asyncio.wait_for(self._client.disconnect(), ANSWER)

    async def check(self) -> None:
        """Ask the server for a sign of life.

        Raises:
            SignalError: there is none.
        """
        with said_as(self._settings.endpoint):
            await asyncio.wait_for(self._client.check_connection(), ANSWER)
            await asyncio.wait_for(self._client.nodes.server_state.read_value(), ANSWER)

    async def write(self, values: Mapping[str, Any]) -> None:
        """Write tags, those that the mapping has, in one request.

        Raises:
            SignalError: the server is away, or refuses one of them.
        """
        names = [name for name in values if name in self._nodes]
        if not names:
            return
        nodes = [self._nodes[name] for name in names]
        made = [ua.DataValue(_variant(values[name], self._kinds[name], name)) for name in names]
        with said_as(self._settings.endpoint):
            codes = await asyncio.wait_for(
                self._client.write_values(nodes, made, raise_on_partial_error=False), ANSWER
            )
        for name, code in zip(names, codes, strict=True):
            if not code.is_good():
                raise SignalError(f"tags.{name} is {self._settings.tags[name]}: not written ({code.name})")

    async def read(self, name: str) -> Any:
        """Read a tag.

        Raises:
            SignalError: the server is away, or refuses.
        """
        with said_as(f"tags.{name}"):
            return await asyncio.wait_for(self._nodes[name].read_value(), ANSWER)

    async def watch(self, names: list[str], handler: Any) -> None:
        """Have a handler called at each change of some tags.

        Raises:
            SignalError: the server is away, or refuses.
        """
        nodes = [self._nodes[name] for name in names if name in self._nodes]
        if not nodes:
            return
        with said_as(self._settings.endpoint):
            subscription = await self._client.create_subscription(PUBLISH, handler)
            await subscription.subscribe_data_change(nodes)

    def name_of(self, node: Node) -> str:
        """Give the name of a tag's node."""
        return next(name for name, one in self._nodes.items() if one.nodeid == node.nodeid)

    async def _connect(self, files: tuple[Path, Path] | None, password: str | None) -> None:
        settings = self._settings
        if files is not None:
            await self._client.set_security(
                SecurityPolicyBasic256Sha256,
                certificate=str(files[0]),
                private_key=str(files[1]),
                server_certificate=None
                if settings.server_certificate is None
                else str(settings.server_certificate),
                mode=_MODES[settings.security],
            )
        if settings.user is not None and password is not None:
            self._client.set_user(settings.user)
            self._client.set_password(password)
        await asyncio.wait_for(self._client.connect(), 2 * ANSWER)


def _variant(value: Any, kind: ua.VariantType, name: str) -> ua.Variant:
    if kind in _NUMBERS:
        low, high = _NUMBERS[kind]
        number = int(value) if not isinstance(value, str) else None
        if number is None or not low <= number <= high:
            raise RefusedError(f"tags.{name}: {value!r} does not fit the PLC's type {kind.name}")
        return ua.Variant(number, kind)
    if kind in {ua.VariantType.Float, ua.VariantType.Double} and isinstance(value, int | float):
        return ua.Variant(float(value), kind)
    if kind is ua.VariantType.Boolean and isinstance(value, bool | int):
        return ua.Variant(bool(value), kind)
    if kind is ua.VariantType.String:
        return ua.Variant(value if isinstance(value, str) else str(value), kind)
    if kind is ua.VariantType.DateTime and not isinstance(value, str | int | float):
        return ua.Variant(value, kind)
    raise RefusedError(f"tags.{name}: {value!r} does not fit the PLC's type {kind.name}")


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError | asyncio.CancelledError):
        return "no answer in time"
    if isinstance(error, ua.UaStatusCodeError):
        return str(ua.StatusCode(ua.UInt32(error.code)).name)
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error) or type(error).__name__
