"""Asking the counterpart of an OPC UA table before the station runs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from excision.signals.listening import check_port
from excision.signals.opcua.certificate import SOON, expires, fingerprint, own_identity

if TYPE_CHECKING:
    from excision.signals.opcua.settings import OpcUaSettings


def check_opcua(settings: OpcUaSettings) -> list[str]:
    """Say whether the server can listen, or whether the PLC's server knows every tag.

    Raises:
        ExcisionError: it cannot, or does not.
    """
    from excision.signals.opcua.server import trusting

    password = settings.password.read() if settings.password is not None else None
    uri, files = own_identity(settings)
    found = [] if files is None else [_certificate(files[0])]
    exposed = settings.password.exposure() if settings.password is not None else None
    found += [exposed] if exposed else []
    if settings.mode == "client":
        return [*found, asyncio.run(_ask(settings, uri, files, password))]
    if settings.trusted is not None:
        asyncio.run(trusting(settings.trusted))
    where = urlsplit(settings.endpoint)
    check_port(where.hostname or "", where.port or 0)
    ways = ["with the right user and password"] if settings.user is not None else []
    open_to = " or ".join([*ways, "without a name"] if settings.anonymous else ways)
    return [*found, f"{settings.endpoint} can be listened at; a client gets in {open_to}"]


def _certificate(path: Path) -> str:
    end = expires(path)
    soon = end - datetime.now(UTC) < timedelta(days=SOON)
    advice = ": make a new one soon, and trust it in the PLC" if soon else ""
    return f"certificate {path}, SHA-1 {fingerprint(path)}, valid until {end:%Y-%m-%d}{advice}"


async def _ask(
    settings: OpcUaSettings, uri: str, files: tuple[Path, Path] | None, password: str | None
) -> str:
    from excision.signals.opcua.session import PlcTags

    plc = PlcTags(settings, uri)
    await plc.open(files, password)
    await plc.close()
    return f"{settings.endpoint} lets the station in, and knows all {len(settings.tags)} tags"
