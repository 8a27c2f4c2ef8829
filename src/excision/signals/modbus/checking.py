"""Asking the counterpart of a Modbus table before the station runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from excision.signals.listening import check_port
from excision.signals.modbus.addresses import FROM_PLC, WIDTHS
from excision.signals.modbus.client import PlcClient
from excision.signals.modbus.image import Layout

if TYPE_CHECKING:
    from excision.signals.modbus.settings import ModbusSettings


def check_modbus(settings: ModbusSettings) -> str:
    """Say whether the port is free, or whether the PLC answers at every address.

    Raises:
        SignalError: it is not, or does not.
    """
    if settings.mode == "server":
        check_port(settings.host, settings.port)
        return f"{settings.host}:{settings.port} can be listened at; {_allowed(settings)}"
    return asyncio.run(_ask(settings))


def _allowed(settings: ModbusSettings) -> str:
    if settings.clients:
        return f"{', '.join(settings.clients)} may speak to it"
    return "every machine that reaches it may speak to it: set clients to the address of the PLC"


async def _ask(settings: ModbusSettings) -> str:
    client = PlcClient(settings, Layout(settings.places))
    try:
        await client.connect()
        image = await client.read(WIDTHS)
    finally:
        client.close()
    inputs = Layout(settings.places).inputs(image)
    levels = ", ".join(
        f"{name} is {'on' if getattr(inputs, name) else 'off'}"
        for name in ("trigger", "acknowledge", "reset")
        if name in settings.places
    )
    count = len(settings.places)
    asked = sum(name in FROM_PLC for name in settings.places)
    return f"{client.where} answers at all {count} signals, {asked} of them from the PLC; {levels}"
