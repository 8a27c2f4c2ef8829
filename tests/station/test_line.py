"""A whole line on loopback: a GigE Vision camera, Modbus, MQTT, OPC UA and a webhook; and kills."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from excision.cli import run as run_cli
from tests import nursery
from tests.cameras.fake_camera import fake_camera, need_aravis, port_of_cameras
from tests.signals.broker import Broker, Subscriber, free_port, needs_mosquitto
from tests.signals.stand_in import wait_for
from tests.signals.test_webhook import Server
from tests.station.conftest import begin, end
from tests.station.test_line_plc import Plc, read

zxingcpp = pytest.importorskip("zxingcpp")

pytestmark = needs_mosquitto

ROOT = Path(__file__).parents[2]
FORMAT_1 = ROOT / "tests" / "compatibility" / "format_1"
"""A tiny exported model, and images for it."""

TOPIC = "plant/press 3"

STATION = """
[station]
name = "press 3"
data = "data"
[models.front]
folder = "{model}"
[models.back]
folder = "{model}"
[cameras.front]
kind = "genicam"
trigger = "software"
pixel_format = "Mono8"
[cameras.back]
kind = "folder"
path = "codes"
loop = true
[parts]
views = ["front", "back"]
code = "DataMatrix"
code_views = ["back"]
[signals]
deadline = "30 s"
models = {{ back = "back" }}
[signals.modbus]
port = {modbus}
result_timeout = "60 s"
acknowledge_timeout = "60 s"
release_timeout = "60 s"
[signals.mqtt]
host = "127.0.0.1"
port = {mqtt}
topic = "{topic}"
[signals.opcua]
endpoint = "{opcua}"
security = "none"
anonymous = true
[signals.webhook]
url = "http://127.0.0.1:{web}/"
secret = {{ file = "key.txt" }}
"""


def draw_code(path: Path, serial: str) -> None:
    """Draw a picture of a part with its data matrix."""
    path.parent.mkdir(exist_ok=True)
    made = zxingcpp.create_barcode(serial, zxingcpp.barcode_format_from_str("DataMatrix"))
    code = np.pad(np.array(made.to_image(scale=6)), 12, constant_values=255)
    picture = np.full((256, 256), 200, np.uint8)
    picture[40 : 40 + code.shape[0], 40 : 40 + code.shape[1]] = code
    Image.fromarray(picture).save(path)


def listens(port: int) -> bool:
    with socket.socket() as wire:
        return wire.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with closing(Broker(tmp_path)) as made:
        yield made


def test_from_the_trigger_to_every_signal(tmp_path: Path, broker: Broker) -> None:
    need_aravis()
    web, modbus = Server(), free_port()
    opcua = f"opc.tcp://127.0.0.1:{free_port()}/excision"
    (tmp_path / "key.txt").write_text("a key that both sides share", "ascii")
    draw_code(tmp_path / "codes" / "1.png", "SN-0042")
    file = tmp_path / "station.toml"
    ports = {"modbus": modbus, "mqtt": broker.port, "opcua": opcua, "web": web.server_address[1]}
    file.write_text(STATION.format(model=FORMAT_1 / "exported", topic=TOPIC, **ports), "utf-8")
    with port_of_cameras(), fake_camera("EXC1"), closing(Subscriber(broker, f"{TOPIC}/#")) as listener:
        check = ["station", "check", str(file), "--json", str(tmp_path / "found.json")]
        # On a busy machine the camera may need more than the five seconds of one check.
        assert any(run_cli(check) == 0 for _ in range(4))
        found = json.loads((tmp_path / "found.json").read_text("utf-8"))["findings"]
        assert {one["table"] for one in found} >= {"cameras.front", "signals.mqtt", "models.front", "parts"}
        service = begin(None, tmp_path / "data", "--file", file)
        try:
            wait_for(lambda: any(state.get("ready") for state in listener.on(f"{TOPIC}/state")))
            wait_for(lambda: listens(modbus) and listens(int(opcua.split(":")[2].split("/", maxsplit=1)[0])))
            plc = Plc(modbus)
            verdict, result, trigger = plc.inspect("")
            (report,) = listener.wait(f"{TOPIC}/report", 1)
            plc.close()
            assert (report["trigger"], report["result"], report["view"]) == (trigger, result, None)
            assert report["serial"] == "SN-0042" and report["station"] == "press 3"
            shown = "no_verdict" if report["verdict"] in ("unfit", "fault") else report["verdict"]
            assert shown in verdict
            asyncio.run(read(opcua, report["verdict"], trigger))
            wait_for(lambda: bool(web.posts))
            assert json.loads(web.posts[0][1]) == report
            status, stored = service.json("GET", f"/v1/results/{result}")
            kept = stored["result"]
            assert status == 200 and kept["view"] in ("front", "back") and kept["part"] == 1
            assert kept["verdict"] is not None or report["verdict"] == "fault"
            assert service.stop(signal.SIGTERM) == 0
            assert listener.on(f"{TOPIC}/state")[-1] == {"online": False}
        finally:
            end(service)
            web.shutdown()
            web.server_close()


def test_kills_leave_no_trigger_without_a_report() -> None:
    told = nursery.printed(
        ROOT / "experiments" / "kill_line.py", FORMAT_1 / "exported", FORMAT_1, "--kills", 3
    )
    assert "| line | 3 |" in told


def test_times_are_measured() -> None:
    words = ["--triggers", 20, "--rate", 20, "--deadline", "20 s"]
    told = nursery.printed(ROOT / "experiments" / "signal_times.py", FORMAT_1 / "exported", FORMAT_1, *words)
    assert "(webhook) | 20 |" in told
