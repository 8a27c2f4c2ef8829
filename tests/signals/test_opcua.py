"""A station as an OPC UA server and as a client, with the library's own counterpart on loopback."""

from __future__ import annotations

import asyncio
import json
import stat
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, Server, ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from excision.errors import SettingsError
from excision.signals.event_loop import LoopThread
from excision.signals.opcua.certificate import application_uri, ensure_certificate, own_identity
from excision.signals.opcua.client import OpcUaClient
from excision.signals.opcua.companion import NAMESPACE
from excision.signals.opcua.server import OpcUaServer
from excision.signals.opcua.settings import OpcUaSettings
from excision.signals.opcua.space import NAMESPACE as OWN
from excision.signals.opcua.tags import report_number
from excision.signals.signal import LineState, SignalError
from excision.system.credentials import Secret
from excision.system.duration import Duration
from excision.system.garbage import without_searches
from tests.signals.stand_in import StandIn, free_port, keep_sending, report, wait_for

READY = LineState(ready=True, busy=False, recipe="parts", lot="L-1", time=1.0)
PLC_URI = "urn:test:plc"


@dataclass
class Running:
    signal: OpcUaServer
    station: StandIn
    url: str
    folder: Path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("opcua")
    (folder / "password.txt").write_text("right\n")
    (folder / "password.txt").chmod(0o600)
    url = f"opc.tcp://127.0.0.1:{free_port()}/excision"
    settings = OpcUaSettings(
        endpoint=url,
        certificates=folder / "pki",
        user="plc",
        password=Secret(folder / "password.txt"),
        recipes=("parts", "casting"),
        results=3,
    )
    signal, station = OpcUaServer("opcua", settings), StandIn()
    signal.start(station)
    ensure_certificate(folder / "client", PLC_URI)
    yield Running(signal, station, url, folder)
    signal.close()


_LOADED = set[str]()


@asynccontextmanager
async def connected(running: Running, user: str = "plc", password: str = "right") -> AsyncIterator[Client]:
    client = Client(running.url, timeout=60)
    client.application_uri = PLC_URI
    files = ensure_certificate(running.folder / "client", PLC_URI)
    await client.set_security(SecurityPolicyBasic256Sha256, str(files[0]), str(files[1]))
    client.set_user(user)
    client.set_password(password)
    async with client:
        # They become classes of the library, for all clients and for good.
        if running.url not in _LOADED:
            await client.load_data_type_definitions()
            _LOADED.add(running.url)
        yield client


class Plc:
    """The nodes of the station, as a client finds them by their names."""

    def __init__(self, client: Client, types: int, own: int) -> None:
        self.client, self._types, self._own = client, types, own

    @classmethod
    async def of(cls, client: Client) -> Plc:
        return cls(client, await client.get_namespace_index(NAMESPACE), await client.get_namespace_index(OWN))

    async def node(self, *path: str) -> Any:
        start = f"{self._types}:VisionSystem"
        return await self.client.nodes.objects.get_child([start, *(f"{self._types}:{one}" for one in path)])

    async def value(self, name: str) -> Any:
        return await self.client.get_node(f"ns={self._own};s={name}").read_value()

    async def state(self, *path: str) -> str:
        machine = await self.node("VisionStateMachine", *path)
        text: str = (await (await machine.get_child("0:CurrentState")).read_value()).Text
        return text

    async def call(self, path: tuple[str, ...], method: str, *given: Any) -> Any:
        parent = await self.node(*path)
        return await parent.call_method(f"{self._types}:{method}", *given)

    async def start(self, serial: str = "", meas: str = "", recipe: str = "") -> Any:
        made = (
            ua.MeasIdDataType(Id=meas),
            ua.PartIdDataType(Id=serial),
            ua.RecipeIdExternalDataType(Id=recipe),
            ua.ProductIdDataType(Id=""),
        )
        none = ua.Variant([], ua.VariantType.Variant, is_array=True)
        return await self.call(AUTOMATIC, "StartSingleJob", *made, none)


AUTOMATIC = ("VisionStateMachine", "AutomaticModeStateMachine")
HALT = (ua.Variant(1, ua.VariantType.Int32), "maintenance")


class Events:
    """Keeps the events of a subscription."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def event_notification(self, event: Any) -> None:
        self.seen.append(event)


async def until(condition: Any) -> None:
    for _ in range(6000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come about")


def test_a_client_runs_a_job_and_gets_its_result(running: Running) -> None:
    async def scenario() -> None:
        async with connected(running) as client:
            plc, events = await Plc.of(client), Events()
            await asyncio.to_thread(running.signal.show, READY)
            assert await plc.state() == "Operational"
            assert await plc.state("AutomaticModeStateMachine") == "Ready"
            ready_type = client.get_node(ua.NodeId(1024, plc._types))
            subscription = await client.create_subscription(10, events)
            await subscription.subscribe_events(await plc.node(), ready_type)
            job, error = await plc.start("S-1", "M-9")
            asked = running.station.triggers.get(timeout=60)
            assert (job.Id, error, asked["serial"], asked["recipe"]) == (str(asked["number"]), 0, "S-1", None)
            assert await plc.state("AutomaticModeStateMachine") == "SingleExecution"
            with pytest.raises(ua.UaStatusCodeError, match="BadInvalidState"):
                await plc.start()
            sent = report(int(job.Id), "defect", 70000)
            await asyncio.to_thread(running.signal.send, sent)
            assert await plc.state("AutomaticModeStateMachine") == "Ready"
            assert await plc.value("Report.Verdict") == "defect"
            assert (await plc.value("Report.ResultNumber"), await plc.value("Report.Good")) == (70000, False)
            assert await plc.value("Report.ReportNumber") == report_number(sent)
            await until(lambda: [one for one in events.seen if one.EventType == ready_type.nodeid])
            (event,) = [one for one in events.seen if one.EventType == ready_type.nodeid]
            assert (event.ResultId.Id, event.JobId.Id, event.MeasId.Id) == (sent.id, job.Id, "M-9")
            content = [one.Value for one in event.ResultContent]
            assert content[:5] == ["defect", 70000, 0.25, 1.5, 0.5]
            assert json.loads(content[6]) == sent.to_json()
            latest = await (await plc.node("ResultManagement", "Results", "LatestResult")).read_value()
            assert (latest.ResultId.Id, latest.PartId.Id, latest.ResultState) == (sent.id, "S-1", 1)

    asyncio.run(scenario())


def test_results_are_found_by_their_identities(running: Running) -> None:
    sent = [report(900 + at, "good" if at else "fault", at) for at in range(4)]
    for one in sent:
        running.signal.send(one)

    async def scenario() -> None:
        async with connected(running) as client:
            plc, where = await Plc.of(client), ("ResultManagement",)
            make = ua.ResultIdDataType
            _, result, error = await plc.call(where, "GetResultById", make(Id=sent[3].id), 0)
            assert (error, result.JobId.Id, result.InternalRecipeId.Id) == (0, "903", "parts")
            assert result.ProcessingTimes.EndTime > result.ProcessingTimes.StartTime
            assert (await plc.call(where, "GetResultById", make(Id=sent[0].id), 0))[2] == -1  # three are kept
            parts = await plc.call(where, "GetResultComponentsById", make(Id=sent[3].id), 0)
            assert parts[-1] == 0 and parts[12].Id == "903" and len(parts) == 17

            async def find(job: str, most: int, first: int) -> Any:
                empty = [getattr(ua, f"{name}DataType")(Id="") for name in FILTERS]
                page = [ua.Variant(one, ua.VariantType.UInt32) for one in (most, first)]
                state = ua.Variant(0, ua.VariantType.Int32)
                job_id = ua.JobIdDataType(Id=job)
                given = [state, *empty, job_id, *page, ua.Variant(0, ua.VariantType.Int32)]
                return await plc.call(where, "GetResultListFiltered", *given)

            whole, count, _, found, error = await find("", 2, 0)
            assert (whole, count, error) == (False, 2, 0)
            assert [one.JobId.Id for one in found] == ["903", "902"]
            assert (await find("902", 0, 0))[1] == 1
            assert (await find("", 0, 2))[:2] == [True, 1]
            assert (await find("x", 0, 0))[3] in (None, [])

    asyncio.run(scenario())


FILTERS = (
    "MeasId",
    "PartId",
    "RecipeIdExternal",
    "RecipeIdInternal",
    "ConfigurationId",
    "ConfigurationId",
    "ProductId",
)


def test_halt_reset_and_automatic(running: Running) -> None:
    async def scenario() -> None:
        async with connected(running) as client:
            plc, machine = await Plc.of(client), ("VisionStateMachine",)
            await asyncio.to_thread(running.signal.show, READY)
            assert await plc.call(machine, "Halt", *HALT) == 0
            assert await plc.state() == "Halted"
            before = running.station.number
            with pytest.raises(ua.UaStatusCodeError, match="BadInvalidState"):
                await plc.start()
            assert running.station.number == before
            assert await plc.call(machine, "Reset", *HALT) == 0
            assert (await plc.state(), running.station.acknowledged) == ("Preoperational", 1)
            assert await plc.call(machine, "SelectModeAutomatic") == 0
            assert await plc.state() == "Operational"
            with pytest.raises(ua.UaStatusCodeError, match="BadInvalidState"):
                await plc.call(machine, "SelectModeAutomatic")
            failed = LineState(ready=False, busy=False, fault="the camera is away")
            await asyncio.to_thread(running.signal.show, failed)
            assert await plc.state() == "Error"
            assert await plc.value("State.FaultText") == "the camera is away"
            await asyncio.to_thread(running.signal.show, READY)
            assert await plc.state() == "Operational"

    asyncio.run(scenario())


def test_recipes_are_models(running: Running) -> None:
    async def scenario() -> None:
        async with connected(running) as client:
            plc, where = await Plc.of(client), ("RecipeManagement",)
            external = ua.RecipeIdExternalDataType
            internal = ua.RecipeIdInternalDataType
            out, done, error = await plc.call(where, "PrepareRecipe", external(Id="casting"), internal(Id=""))
            assert (out.Id, done, error, running.station.recipes) == ("casting", True, 0, ["casting"])
            page = [ua.Variant(0, kind) for kind in (ua.VariantType.UInt32,) * 2 + (ua.VariantType.Int32,)]
            prepared = ua.Variant(1, ua.VariantType.Int32)
            listed = await plc.call(
                where,
                "GetRecipeListFiltered",
                external(Id=""),
                ua.ProductIdDataType(Id=""),
                prepared,
                *page,
            )
            assert [one.Id for one in listed[3]] == ["casting"]
            out, done, error = await plc.call(where, "PrepareRecipe", external(Id="no"), internal(Id=""))
            assert (done, error) == (False, -1)

    asyncio.run(scenario())


def test_only_the_right_user_gets_in_and_nothing_can_be_written(running: Running) -> None:
    async def scenario() -> None:
        for user, password in (("plc", "wrong"), ("admin", "right"), ("", "")):
            with pytest.raises(ua.UaStatusCodeError, match=r"BadUserAccessDenied|BadIdentityToken"):
                async with connected(running, user, password):
                    pass
        bare = Client(running.url, timeout=2)
        with pytest.raises((ua.UaError, ConnectionError, TimeoutError, OSError)):
            await bare.connect()
        anonymous = Client(running.url, timeout=60)
        files = ensure_certificate(running.folder / "client", PLC_URI)
        await anonymous.set_security(SecurityPolicyBasic256Sha256, str(files[0]), str(files[1]))
        with pytest.raises(ua.UaError):
            await anonymous.connect()
        async with connected(running) as client:
            plc = await Plc.of(client)
            node = client.get_node(f"ns={plc._own};s=Report.Good")
            with pytest.raises(ua.UaStatusCodeError, match=r"BadUserAccessDenied|BadNotWritable"):
                await node.write_value(True)

    asyncio.run(scenario())


def test_wrong_arguments_are_refused_and_the_station_goes_on(running: Running) -> None:
    async def scenario() -> None:
        async with connected(running) as client:
            plc = await Plc.of(client)
            where = ("ResultManagement",)
            for given in (["x", 0], [5], [ua.JobIdDataType(Id="1"), 0]):
                with pytest.raises(ua.UaStatusCodeError, match=r"BadTypeMismatch|BadArgumentsMissing"):
                    await plc.call(where, "GetResultById", *given)
            with pytest.raises(ua.UaStatusCodeError, match="BadTypeMismatch"):
                await plc.start("S" * 1000)
            running.station.refuses = True
            await asyncio.to_thread(running.signal.show, READY)
            with pytest.raises(ua.UaStatusCodeError, match="BadResourceUnavailable"):
                await plc.start()
            running.station.refuses = False
            assert await plc.state("AutomaticModeStateMachine") == "Ready"

    asyncio.run(scenario())


def test_the_certificate_is_private_whole_and_made_once(tmp_path: Path) -> None:
    folder = tmp_path / "pki"
    certificate, key = ensure_certificate(folder, PLC_URI)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600 and stat.S_IMODE(folder.stat().st_mode) == 0o700
    made = certificate.read_bytes()
    assert ensure_certificate(folder, PLC_URI)[0].read_bytes() == made
    certificate.unlink()  # as a kill between the two files leaves it
    ensure_certificate(folder, PLC_URI)
    assert sorted(path.name for path in folder.iterdir()) == ["certificate.der", "key.pem"]
    other = tmp_path / "other"
    ensure_certificate(other, PLC_URI)
    (other / "key.pem").replace(key)
    with pytest.raises(SettingsError, match="does not belong to"):
        ensure_certificate(folder, PLC_URI)
    key.write_text("nonsense")
    with pytest.raises(SettingsError, match="damaged"):
        ensure_certificate(folder, PLC_URI)
    key.unlink()
    with pytest.raises(SettingsError, match="is missing"):
        ensure_certificate(folder, PLC_URI)
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="this is no folder"):
        ensure_certificate(tmp_path / "file", PLC_URI)


def test_the_identity_stays_when_the_machine_gets_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = OpcUaSettings(certificates=tmp_path, user="plc", password=Secret(env="X"))
    first, files = own_identity(settings)
    monkeypatch.setattr("socket.gethostname", lambda: "renamed")
    assert own_identity(settings) == (first, files)
    assert own_identity(replace(settings, certificates=tmp_path / "new"))[0] == "urn:renamed:excision"


def test_a_certificate_of_an_authority_may_state_no_identity(tmp_path: Path) -> None:
    _, key = ensure_certificate(tmp_path, PLC_URI)
    private: Any = serialization.load_pem_private_key(key.read_bytes(), None)
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "press 3")]), datetime.now(UTC)
    plain = x509.CertificateBuilder(name, name, private.public_key(), 1, now, now + timedelta(days=9))
    content = plain.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    (tmp_path / "certificate.der").write_bytes(content)
    settings = OpcUaSettings(certificates=tmp_path, user="plc", password=Secret(env="X"))
    assert own_identity(settings)[0] == application_uri()


def test_only_trusted_certificates_get_in_where_a_folder_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLC_PASSWORD", "right")
    trusted = tmp_path / "trusted"
    settings = OpcUaSettings(
        endpoint=f"opc.tcp://127.0.0.1:{free_port()}/excision",
        certificates=tmp_path / "pki",
        user="plc",
        password=Secret(env="PLC_PASSWORD"),
        trusted=trusted,
    )
    with pytest.raises(SettingsError, match="there is no such folder"):
        settings.check()
    trusted.mkdir()
    known, _ = ensure_certificate(tmp_path / "client", PLC_URI)
    (trusted / "plc.der").write_bytes(known.read_bytes()[:99])
    with pytest.raises(SettingsError, match=f"trusted is {trusted}: a certificate in it is damaged"):
        settings.check()
    (trusted / "plc.der").write_bytes(known.read_bytes())
    assert "with the right user and password" in settings.check()[1]
    signal = OpcUaServer("opcua", settings)
    signal.start(StandIn())
    try:
        with pytest.raises(SignalError, match="another program listens there"):
            settings.check()
        running = Running(signal, StandIn(), settings.endpoint, tmp_path)

        async def scenario() -> None:
            async with connected(running):
                pass
            stranger = Running(signal, StandIn(), settings.endpoint, tmp_path / "stranger")
            with pytest.raises((ua.UaError, ConnectionError, TimeoutError)):
                async with connected(stranger):
                    pass

        asyncio.run(scenario())
    finally:
        signal.close()


class PlcServer:
    """A PLC with tags: a server of the library with a user and Basic256Sha256."""

    def __init__(self, url: str, folder: Path) -> None:
        self._thread = LoopThread("plc")
        self._server = self._thread.run(self._open(url, folder), 30)

    async def _open(self, url: str, folder: Path) -> Server:
        class Users:
            def get_user(
                self, _: Any, username: Any = None, password: Any = None, certificate: Any = None
            ) -> Any:
                del certificate
                return User(UserRole.User) if (username, password) == ("station", "secret") else None

        server = Server(user_manager=Users())
        with without_searches():
            await server.init()
        server.set_endpoint(url)
        await server.set_application_uri(PLC_URI)
        server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
        server.set_identity_tokens([ua.UserNameIdentityToken])
        certificate, key = ensure_certificate(folder, PLC_URI)
        await server.load_certificate(certificate)
        await server.load_private_key(key)
        space = await server.register_namespace("urn:plc")
        kinds = {
            "Good": ua.VariantType.Boolean,
            "Number": ua.VariantType.Int16,
            "Score": ua.VariantType.Float,
            "Serial": ua.VariantType.String,
            "Report": ua.VariantType.UInt32,
            "Ack": ua.VariantType.UInt32,
            "Trigger": ua.VariantType.Boolean,
            "Alive": ua.VariantType.Byte,
        }
        for name, kind in kinds.items():
            value: Any = {ua.VariantType.Boolean: False, ua.VariantType.String: ""}.get(kind, 0)
            node = await server.nodes.objects.add_variable(
                f"ns={space};s={name}", f"{space}:{name}", value, kind
            )
            await node.set_writable()
        await server.start()
        return server

    def get(self, name: str) -> Any:
        return self._thread.run(self._server.get_node(f"ns=2;s={name}").read_value(), 5)

    def set(self, name: str, value: Any, kind: ua.VariantType) -> None:
        self._thread.run(self._server.get_node(f"ns=2;s={name}").write_value(value, kind), 5)

    def close(self) -> None:
        self._thread.run(self._server.stop(), 20)
        self._thread.close()


TAGS = {
    "good": "ns=2;s=Good",
    "result_number": "ns=2;s=Number",
    "score": "ns=2;s=Score",
    "serial": "ns=2;s=Serial",
    "report_number": "ns=2;s=Report",
    "acknowledge": "ns=2;s=Ack",
    "trigger": "ns=2;s=Trigger",
    "trigger_serial": "ns=2;s=Serial",
}


def client_settings(url: str, folder: Path, password: str = "secret", **more: Any) -> OpcUaSettings:
    file = folder / f"{password}.txt"
    file.write_text(password)
    return OpcUaSettings(
        mode="client",
        endpoint=url,
        certificates=folder / "pki",
        user="station",
        password=Secret(file),
        acknowledge_timeout=Duration(0.3),
        **{"tags": TAGS, **more},
    )


def test_a_client_writes_tags_of_a_plc_that_goes_away_and_returns(tmp_path: Path) -> None:
    url = f"opc.tcp://127.0.0.1:{free_port()}/plc"
    settings = client_settings(url, tmp_path)
    signal, station = OpcUaClient("press", settings), StandIn()
    assert (
        signal.durable and not OpcUaClient("x", client_settings(url, tmp_path, tags={"good": "i=1"})).durable
    )
    signal.start(station)
    plc = PlcServer(url, tmp_path / "plc")
    try:
        assert "knows all 8 tags" in str(settings.check())
        with pytest.raises(SignalError, match="BadUserAccessDenied"):
            client_settings(url, tmp_path, "wrong").check()
        with pytest.raises(SignalError, match=r"tags.good is ns=2;s=Gone: BadNodeIdUnknown"):
            client_settings(url, tmp_path, tags={"good": "ns=2;s=Gone"}).check()
        wait_for(lambda: connected_now(signal))
        plc.set("Serial", "S-77", ua.VariantType.String)
        plc.set("Trigger", True, ua.VariantType.Boolean)
        assert station.triggers.get(timeout=60)["serial"] == "S-77"
        first = report(1, "good", 12)
        with pytest.raises(SignalError, match="has not acknowledged"):
            signal.send(first)
        with ThreadPoolExecutor() as pool:
            again = pool.submit(keep_sending, signal, first)  # as the outbox does
            wait_for(lambda: plc.get("Report") == report_number(first))
            assert (plc.get("Good"), plc.get("Number"), plc.get("Serial")) == (True, 12, "S-1")
            plc.set("Ack", report_number(first), ua.VariantType.UInt32)
            again.result(30)
        with pytest.raises(SignalError, match="does not fit the PLC's type Int16"):
            signal.send(report(2, "good", 70000))
        plc.close()
        wait_for(lambda: not connected_now(signal))
        plc = PlcServer(url, tmp_path / "plc")
        wait_for(lambda: connected_now(signal))
        plc.set("Trigger", True, ua.VariantType.Boolean)
        assert station.triggers.get(timeout=60)["origin"] == "press"
        station.refuses = True

        def is_told() -> bool:
            # A subscription gives the last value of each interval: the edge must not lie within one.
            for level in (False, True):
                plc.set("Trigger", level, ua.VariantType.Boolean)
                time.sleep(0.3)
            return bool(plc.get("Report"))

        wait_for(is_told)  # a fault, as this trigger gets no report
        assert plc.get("Good") is False
    finally:
        plc.close()
        signal.close()


def connected_now(signal: OpcUaClient) -> bool:
    try:
        signal.show(READY)
    except SignalError:
        return False
    return True


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"endpoint": "http://x:1"}, "write opc.tcp://HOST:PORT"),
        ({"endpoint": "opc.tcp://x/y"}, "say the port"),
        ({"certificates": None}, "certificates is missing"),
        ({"password": None}, "go together"),
        ({"user": None, "password": None}, "user is missing"),
        ({"security": "none"}, "in the open"),
        ({"results": 0}, "from 1 to 1000"),
        ({"recipes": ("a", "a")}, "none twice"),
        ({"tags": {"good": "i=1"}}, 'tags is for mode = "client"'),
        ({"server_certificate": Path("x")}, 'is for mode = "client"'),
        ({"mode": "client"}, "tags is missing"),
        ({"mode": "client", "tags": {"god": "i=1"}}, "tags.god is unknown"),
        ({"mode": "client", "tags": {"good": "Good"}}, "write a node such as"),
        ({"mode": "client", "tags": {"acknowledge": "i=1"}}, "needs tags.report_number"),
        ({"mode": "client", "tags": {"good": "i=1"}, "trusted": Path("x")}, 'trusted is for mode = "server"'),
    ],
)
def test_wrong_settings_are_refused(given: dict[str, Any], said: str, tmp_path: Path) -> None:
    whole = {"certificates": tmp_path, "user": "plc", "password": Secret(env="X")}
    with pytest.raises(SettingsError, match=said):
        OpcUaSettings(**{**whole, **given})
