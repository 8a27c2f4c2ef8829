"""The station as an OPC UA server."""

from __future__ import annotations

import asyncio
import hmac
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from asyncua import Server, ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.crypto.truststore import TrustStore
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions

from excision.errors import SettingsError
from excision.signals.event_loop import LoopThread
from excision.signals.listening import check_port
from excision.signals.opcua.certificate import own_identity
from excision.signals.opcua.methods import Methods
from excision.signals.opcua.results import Results
from excision.signals.opcua.space import Space
from excision.signals.opcua.states import VisionStates
from excision.signals.opcua.tags import VERDICT_CODES, report_number
from excision.signals.signal import Commands, LineState, Report, SignalError
from excision.system.garbage import without_searches
from excision.version import __version__

if TYPE_CHECKING:
    from excision.signals.opcua.settings import OpcUaSettings

_log = logging.getLogger(__name__)
# They write a line, or a traceback, for whatever a stranger sends, and so let him fill the disk.
for _noisy in ("uaprocessor", "binary_server_asyncio"):
    logging.getLogger(f"asyncua.server.{_noisy}").setLevel(logging.CRITICAL)

_OPEN, _SEND, _CLOSE = 60.0, 5.0, 10.0
_MOST_CONNECTIONS = 50
_MOST_SUBSCRIPTIONS = 100
_MOST_MESSAGE = 2**20
_WRONG = 5  # wrong passwords in a row, after which each further try is logged no more

POLICIES = {
    "encrypt": [ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt],
    "sign": [
        ua.SecurityPolicyType.Basic256Sha256_Sign,
        ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
    ],
    "none": [ua.SecurityPolicyType.NoSecurity],
}
"""Security policies by the setting."""


class OpcUaServer:
    """A server with one vision system.

    Args:
        name: of the table.
        settings: of the table.

    Raises:
        SettingsError: the password or the certificate cannot be read.
    """

    durable = False

    def __init__(self, name: str, settings: OpcUaSettings) -> None:
        self.name, self._settings = name, settings
        self._password = settings.password.read() if settings.password is not None else None
        self._uri, self._files = own_identity(settings)
        self._thread: LoopThread | None = None
        self._server: Server | None = None
        self._states = VisionStates()
        self._methods: Methods | None = None
        self._beats = 0
        self._moving: asyncio.Lock | None = None

    def start(self, commands: Commands) -> None:
        """Build the address space and listen.

        Raises:
            SignalError: the address or port cannot be used.
        """
        where = urlsplit(self._settings.endpoint)
        check_port(where.hostname or "", where.port or 0)
        self._thread = LoopThread(f"signals.{self.name}")
        try:
            self._thread.run(self._open(commands), _OPEN)
        except BaseException:
            self.close()
            raise

    def send(self, report: Report) -> None:
        """Write the report into the address space, and tell those who subscribed.

        Raises:
            SignalError: the server is not running.
        """
        self._running().run(self._publish(report), _SEND)

    def show(self, state: LineState) -> None:
        """Write how the station is.

        Raises:
            SignalError: the server is not running.
        """
        self._running().run(self._show(state), _SEND)

    def close(self) -> None:
        """End every session and stop listening."""
        if self._thread is not None:
            self._thread.end(self._stop(), _CLOSE)
            self._thread = None

    def _running(self) -> LoopThread:
        if self._thread is None or self._methods is None or self._methods.space is None:
            raise SignalError(f"{self.name}: is not started")
        return self._thread

    async def _open(self, commands: Commands) -> None:
        self._moving = asyncio.Lock()
        self._methods = methods = Methods(
            self.name, commands, self._states, self._settings.recipes, self._move
        )
        self._server = server = Server(user_manager=_Users(self.name, self._settings, self._password))
        with without_searches():  # for garbage among the thousands of nodes: a third of the time
            await server.init()
            await self._configure(server)
            space = await Space.build(server, methods.table(), self._settings.recipes)
        methods.results = Results(space.types, self._settings.results)
        methods.space = space
        await space.show_configuration(methods.configuration())
        await server.start()
        self._states.begin()
        await self._move()

    async def _configure(self, server: Server) -> None:
        settings = self._settings
        server.set_endpoint(settings.endpoint)
        server.set_server_name(f"Excision {self.name}")
        await server.set_application_uri(self._uri)
        version, now = __version__, datetime.now(UTC)
        await server.set_build_info("urn:excision", "Excision", "Excision", version, version, now)
        server.set_security_policy(POLICIES[settings.security])
        tokens: list[type] = [ua.UserNameIdentityToken] if settings.user is not None else []
        server.set_identity_tokens([*tokens, ua.AnonymousIdentityToken] if settings.anonymous else tokens)
        internal = server.iserver
        internal.allow_remote_admin = False
        internal.max_connections = _MOST_CONNECTIONS
        internal.max_subscriptions = _MOST_SUBSCRIPTIONS
        server.limits.max_message_size = _MOST_MESSAGE
        server.limits.max_chunk_count = _MOST_MESSAGE // server.limits.max_recv_buffer + 1
        if self._files is not None:
            await server.load_certificate(self._files[0])
            await server.load_private_key(self._files[1])
        if settings.trusted is not None:
            server.set_certificate_validator(await trusting(settings.trusted))

    async def _publish(self, report: Report) -> None:
        assert self._methods is not None and self._methods.space is not None
        assert self._methods.results is not None
        space, result = self._methods.space, self._methods.results.add(report)
        await space.write(_values(report))
        await space.show_result(result)
        if report.trigger is not None and report.trigger == self._methods.job:
            self._methods.job = None
            self._states.done()
            await self._move()
            job = space.types.make("JobIdDataType", Id=str(report.trigger))
            await space.tell("ReadyEventType", "Ready for the next job", 100, {"JobId": job})

    async def _show(self, state: LineState) -> None:
        assert self._methods is not None and self._methods.space is not None
        self._beats += 1
        self._methods.recipe = state.recipe or self._methods.recipe
        able = state.ready or state.busy
        # A fault that is shown until somebody has read it does not keep the station from working.
        self._states.line(able, state.fault is not None and not able)
        await self._methods.space.write(
            {
                "Ready": state.ready,
                "Busy": state.busy,
                "Fault": state.fault is not None,
                "FaultText": state.fault or "",
                "CurrentRecipe": state.recipe or "",
                "CurrentLot": state.lot or "",
                "Heartbeat": self._beats % 2**32,
            }
        )
        await self._move()

    async def _move(self) -> None:
        assert self._methods is not None and self._moving is not None
        async with self._moving:
            for machine, transition in self._states.take_moves():
                state = transition.partition("To")[2]
                for how in ("Auto", "Stop", "Abort", "Recipe"):
                    state = state.removesuffix(how)
                if self._methods.space is not None:
                    await self._methods.space.move(machine, transition, state)
            if self._methods.space is not None and self._states.state != "Operational":
                await self._methods.space.rest()

    async def _stop(self) -> None:
        if self._server is not None and self._server.bserver is not None:
            await self._server.stop()


class _Users:
    """Lets in who gives the right name and password, or, if asked for, who gives none."""

    def __init__(self, name: str, settings: OpcUaSettings, password: str | None) -> None:
        self._name, self._user, self._password = name, settings.user, password
        self._anonymous = settings.anonymous
        self._wrong = 0

    def get_user(
        self,
        iserver: Any,  # noqa: ARG002  # given by the library
        username: str | None = None,
        password: str | None = None,
        certificate: Any = None,  # noqa: ARG002  # given by the library
    ) -> User | None:
        """Give the user, or None to refuse."""
        if username is None and password is None:
            return User(UserRole.User, "anonymous") if self._anonymous else None
        if self._user is None or self._password is None:
            return None
        same_name = hmac.compare_digest((username or "").encode(), self._user.encode())
        same_word = hmac.compare_digest((password or "").encode(), self._password.encode())
        if same_name and same_word:
            self._wrong = 0
            return User(UserRole.User, self._user)
        self._wrong += 1
        if self._wrong <= _WRONG:
            _log.warning("%s: a client gave a wrong user or password", self._name)
        return None


async def trusting(folder: Path) -> CertificateValidator:
    """Give a validator that lets in the certificates of a folder alone.

    Raises:
        SettingsError: there is no such folder, or a certificate in it cannot be read.
    """
    if not folder.is_dir():
        raise SettingsError(f"trusted is {folder}: there is no such folder")
    store = TrustStore([folder], [])
    try:
        await store.load()
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SettingsError(f"trusted is {folder}: a certificate in it is damaged ({reason})") from error
    options = CertificateValidatorOptions.TIME_RANGE | CertificateValidatorOptions.TRUSTED
    return CertificateValidator(options | CertificateValidatorOptions.PEER_CLIENT, store)


def _values(report: Report) -> dict[str, Any]:
    return {
        "Verdict": report.verdict,
        "VerdictCode": VERDICT_CODES[report.verdict],
        "Good": report.verdict == "good",
        "Reason": report.reason,
        "Score": float("nan") if report.score is None else report.score,
        "Threshold": float("nan") if report.threshold is None else report.threshold,
        "PValue": float("nan") if report.p_value is None else report.p_value,
        "ResultNumber": (report.result or 0) % 2**32,
        "TriggerNumber": (report.trigger or 0) % 2**32,
        "Serial": report.serial or "",
        "Lot": report.lot or "",
        "Recipe": report.recipe or "",
        "View": report.view or "",
        "Time": datetime.fromtimestamp(report.time, UTC),
        "DeadlineMissed": report.deadline_missed,
        "ReportNumber": report_number(report),
    }
