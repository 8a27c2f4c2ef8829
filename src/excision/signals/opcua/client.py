"""The station as an OPC UA client, which writes the tags of a PLC's server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from typing import TYPE_CHECKING, Any

from excision.signals.event_loop import LoopThread
from excision.signals.opcua.certificate import own_identity
from excision.signals.opcua.session import ANSWER, LOOK, PUBLISH, PlcTags
from excision.signals.opcua.tags import ANSWERED, HEARTBEAT, OF_REPORT, OF_STATE, report_number
from excision.signals.signal import Commands, LineState, Report, SignalError

if TYPE_CHECKING:
    from excision.signals.opcua.settings import OpcUaSettings

_log = logging.getLogger(__name__)

_AGAIN = (0.5, 10.0)  # seconds before the first and the last attempt to connect again
_MARGIN, _CLOSE = 2.0, 10.0


class OpcUaClient:
    """Writes reports into the tags of a PLC's server, and takes its triggers.

    Args:
        name: of the table.
        settings: of the table.

    Raises:
        SettingsError: the password or the certificate cannot be read.
    """

    def __init__(self, name: str, settings: OpcUaSettings) -> None:
        self.name, self._settings = name, settings
        self.durable = "acknowledge" in settings.tags
        self._password = settings.password.read() if settings.password is not None else None
        self._uri, self._files = own_identity(settings)
        self._thread: LoopThread | None = None
        self._commands: Commands | None = None
        self._plc: PlcTags | None = None
        self._watched: PlcTags | None = None
        self._away: str | None = "not connected yet"
        self._trigger: bool | None = None
        self._triggers: set[asyncio.Task[None]] = set()
        self._beats = 0

    def start(self, commands: Commands) -> None:
        """Begin to connect."""
        self._commands = commands
        self._thread = LoopThread(f"signals.{self.name}")
        asyncio.run_coroutine_threadsafe(self._run(), self._thread.loop)

    def send(self, report: Report) -> None:
        """Write a report; where the PLC acknowledges, wait for it.

        Raises:
            SignalError: the server is away, refuses a tag, or the PLC did not acknowledge in time.
        """
        most = self._settings.acknowledge_timeout + 2 * ANSWER + _MARGIN
        self._running().run(self._send(report), most)

    def show(self, state: LineState) -> None:
        """Write how the station is.

        Raises:
            SignalError: the server is away, or refuses a tag.
        """
        self._running().run(self._show(state), ANSWER + _MARGIN)

    def close(self) -> None:
        """End the session."""
        if self._thread is not None:
            self._thread.end(self._stop(), _CLOSE)
            self._thread = None

    def datachange_notification(self, node: Any, value: Any, _: Any) -> None:
        """Take in that the PLC wrote its trigger."""
        plc = self._watched
        if plc is None or plc.name_of(node) != "trigger":
            return
        before, self._trigger = self._trigger, bool(value)
        if self._trigger and not before:
            task = asyncio.get_running_loop().create_task(self._triggered(plc))
            self._triggers.add(task)  # a task that nobody holds may be collected before it ends
            task.add_done_callback(self._triggers.discard)

    def _running(self) -> LoopThread:
        if self._thread is None:
            raise SignalError(f"{self.name}: is not started")
        return self._thread

    def _connected(self) -> PlcTags:
        if self._plc is None:
            raise SignalError(self._away or f"{self.name}: is not connected")
        return self._plc

    async def _run(self) -> None:
        wait = _AGAIN[0]
        while True:
            plc = PlcTags(self._settings, self._uri)
            try:
                await plc.open(self._files, self._password)
                await self._watch(plc)
                self._plc, self._away, wait = plc, None, _AGAIN[0]
                _log.info("%s: connected to %s", self.name, self._settings.endpoint)
                while True:
                    await asyncio.sleep(LOOK)
                    await plc.check()
            except SignalError as error:
                if str(error) != self._away:
                    _log.warning("%s: %s", self.name, error)
                self._plc, self._away = None, str(error)
            except Exception as error:
                # Without this task the PLC's server would never be asked again.
                _log.exception("%s: the connection failed; it goes on", self.name)
                self._plc, self._away = None, f"{type(error).__name__}: {error}"
            await plc.close()
            await asyncio.sleep(wait)
            wait = min(2 * wait, _AGAIN[1])

    async def _watch(self, plc: PlcTags) -> None:
        if "trigger" not in self._settings.tags:
            return
        if self._trigger is None:
            # What is on at the first look may be the rest of an earlier part; any later edge counts.
            self._trigger = bool(await plc.read("trigger"))
        self._watched = plc
        await plc.watch(["trigger"], self)

    async def _send(self, report: Report) -> None:
        plc, number = self._connected(), report_number(report)
        if self.durable and await plc.read("acknowledge") == number:
            return  # it was acknowledged before, and this could not be noted
        await plc.write({name: give(report) for name, give in OF_REPORT.items() if name != "report_number"})
        await plc.write({"report_number": number})
        if not self.durable:
            return
        ends = time.monotonic() + self._settings.acknowledge_timeout
        while await plc.read("acknowledge") != number:
            if time.monotonic() >= ends:
                raise SignalError(f"{self.name}: the PLC has not acknowledged report {number}")
            await asyncio.sleep(PUBLISH / 1000)

    async def _show(self, state: LineState) -> None:
        self._beats += 1
        values = {name: give(state) for name, give in OF_STATE.items()}
        await self._connected().write({**values, HEARTBEAT: self._beats % 2**15})

    async def _triggered(self, plc: PlcTags) -> None:
        try:
            given = {name: await plc.read(name) for name in ANSWERED[1:4] if name in self._settings.tags}
            texts = {name.removeprefix("trigger_"): str(value or "") or None for name, value in given.items()}
            assert self._commands is not None
            self._commands.trigger(self.name, **texts)
        except SignalError as error:
            _log.warning("%s: the trigger was refused: %s", self.name, error)
            # The station knows nothing of it, so nobody else tells the PLC that there will be no verdict.
            refused = Report(str(uuid.uuid4()), None, "fault", str(error), time=time.time(), origin=self.name)
            with contextlib.suppress(SignalError):
                await self._send(refused)

    async def _stop(self) -> None:
        if self._plc is not None:
            await self._plc.close()
