"""Everything around one station on loopback: camera, PLC, broker, MES, and clients of its signals."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from tests.cameras.fake_camera import fake_camera, port_of_cameras
from tests.signals.broker import Broker, Subscriber
from tests.signals.stand_in import free_port, wait_for
from tests.signals.test_webhook import Server
from tests.station.described import broker, describe, folder_camera, webhook
from tests.station.test_line_plc import Plc, read

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOPIC = "plant/press 3"
MODEL, LABEL = "fabric", "label"
FRONT, BACK = "front", "back"


@dataclass(frozen=True)
class Plant:
    """What runs beside the station.

    Attributes:
        file: that describes the station.
        data: folder of the station.
        listener: hears what the station publishes over MQTT.
        web: gets its webhooks.
    """

    file: Path
    data: Path
    listener: Subscriber
    web: Server
    modbus: int
    opcua_port: int

    def plc(self) -> Plc:
        """Connect a PLC once the station listens."""
        wait_for(lambda: _listens(self.modbus) and _listens(self.opcua_port))
        return Plc(self.modbus)

    def reports(self) -> list[dict[str, Any]]:
        """Give the reports that came over MQTT, each once."""
        return list({one["id"]: one for one in self.listener.on(f"{TOPIC}/report")}.values())

    def report(self, trigger: int) -> dict[str, Any]:
        """Wait for the one report of a trigger."""
        wait_for(lambda: any(one["trigger"] == trigger for one in self.reports()))
        (found,) = [one for one in self.reports() if one["trigger"] == trigger]
        return found

    def read_opcua(self, verdict: str, trigger: int) -> None:
        """Read the last report by OPC UA, which must be this one."""
        # In a thread of its own: while Playwright runs, this one has an event loop.
        with ThreadPoolExecutor(1) as beside:
            beside.submit(asyncio.run, read(_address(self.opcua_port), verdict, trigger)).result()


@contextmanager
def plant(
    folder: Path, model: Path, run: Path, images: Path, front: Path, back: Path, name: str = MODEL
) -> Iterator[Plant]:
    """Run it; the station itself is not started.

    Args:
        folder: for its files.
        model: exported folder, of both views.
        run: that it was exported from.
        images: that this was trained on.
        front: pictures that the GigE Vision camera sees in turn.
        back: pictures of the second view in turn, with data matrices.
        name: of the model.
    """
    web, modbus, opcua = Server(), free_port(), free_port()
    with Image.open(next(front.iterdir())) as picture:
        size = picture.size
    with ExitStack() as stack:
        stack.callback(web.server_close)
        stack.callback(web.shutdown)
        stack.enter_context(port_of_cameras())
        stack.enter_context(fake_camera("EXC1", pictures=front))
        broker_ = stack.enter_context(closing(Broker(folder)))
        ports = {"modbus": modbus, "mqtt": broker_.port, "opcua": opcua, "web": web.server_address[1]}
        tables = _models(model, run, images, name) | _views(back, size) | _signals(ports)
        file = describe(folder, tables)
        listener = stack.enter_context(closing(Subscriber(broker_, f"{TOPIC}/#")))
        yield Plant(file, folder / "station", listener, web, modbus, opcua)


def _models(model: Path, run: Path, images: Path, name: str) -> dict[str, Any]:
    return {
        "station": {"name": "press 3", "data": "station"},
        f"models.{name}": {"folder": model.absolute()},
        f"models.{LABEL}": {"folder": model.absolute()},
        "improve": {"runs": [str(run.absolute())], "images": [str(images.absolute())]},
    }


def _views(back: Path, size: tuple[int, int]) -> dict[str, Any]:
    genicam = {"kind": "genicam", "trigger": "software", "pixel_format": "Mono8", "region": [0, 0, *size]}
    return {
        f"cameras.{FRONT}": genicam,
        f"cameras.{BACK}": folder_camera(back, loop=True),
        "parts": {"views": [FRONT, BACK], "code": "DataMatrix", "code_views": [BACK]},
    }


def _signals(ports: dict[str, int]) -> dict[str, Any]:
    names = ("result_timeout", "acknowledge_timeout", "release_timeout", "silence")
    patience = dict.fromkeys(names, "240 s")
    return {
        "signals": {"deadline": "120 s", "models": {BACK: LABEL}},
        "signals.modbus": {"port": ports["modbus"], **patience},
        "signals.mqtt": broker(ports["mqtt"], TOPIC),
        "signals.opcua": {"endpoint": _address(ports["opcua"]), "security": "none", "anonymous": True},
        "signals.webhook": webhook(ports["web"]),
    }


def draw_label(path: Path, serial: str, picture: NDArray[np.uint8]) -> None:
    """Print a data matrix on the grey picture of a part, in greys that the part has itself, and save it."""
    import zxingcpp

    made = zxingcpp.create_barcode(serial, zxingcpp.barcode_format_from_str("DataMatrix"))
    scale = max(2, min(picture.shape) // 64)
    code = np.pad(np.array(made.to_image(scale=scale)), scale, constant_values=255)
    dark, bright = np.quantile(picture, [0.02, 0.98])
    picture = picture.copy()
    picture[: code.shape[0], : code.shape[1]] = np.where(code < 128, dark, bright)
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(picture).save(path)


def _address(port: int) -> str:
    return f"opc.tcp://127.0.0.1:{port}/excision"


def _listens(port: int) -> bool:
    with socket.socket() as wire:
        return wire.connect_ex(("127.0.0.1", port)) == 0
