"""The panel of the live page for the cameras of the line."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from excision.cameras.camera import CameraState
from excision.system.names import printable

_AWAY = ("connecting", "disconnected")


@dataclass(frozen=True, slots=True)
class CameraPanel:
    """What the page shows of a camera; the rate is rounded, so that the page changes when something does."""

    name: str
    kind: str
    where: str
    connection: str
    away: bool
    rate: str
    dropped: int
    damaged: int
    reconnects: int
    fault: str | None


def cameras_of(request: Request) -> tuple[CameraPanel, ...]:
    """Give the panels of the cameras; none where the station has no line."""
    line = getattr(request.app.state, "line", None)
    return () if line is None else tuple(_panel(state) for state in line.camera_states())


def _panel(state: CameraState) -> CameraPanel:
    return CameraPanel(
        state.name,
        state.kind,
        printable(state.where),
        state.connection,
        state.connection in _AWAY,
        f"{state.rate:.2g}",
        state.dropped,
        state.damaged,
        state.reconnects,
        None if state.fault is None else printable(state.fault),
    )
