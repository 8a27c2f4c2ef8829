"""A real GigE Vision camera on loopback, in a process of its own: the fake camera of Aravis.

    python -m tests.cameras.fake_camera SERIAL [PACKETS_LOST]

PACKETS_LOST is the share of the packets that the camera does not send.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from excision.cameras.aravis import load_aravis
from excision.errors import CameraError

ADDRESS = "127.0.0.1"
_LOCK = Path(tempfile.gettempdir()) / "excision-fake-camera.lock"


def need_aravis() -> None:
    """Skip a test, saying so, where the library is absent."""
    try:
        load_aravis()
    except CameraError as error:
        pytest.skip(str(error))


@contextmanager
def port_of_cameras() -> Iterator[None]:
    """Hold the port of GigE Vision, which is one for the whole machine, against other tests."""
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def fake_camera(serial: str = "EXC1", lost: float = 0.0) -> Iterator[None]:
    """Run the camera, from when it answers; at the end it is killed as by a power cut."""
    command = [sys.executable, "-m", "tests.cameras.fake_camera", serial, str(lost)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "running\n"
            yield
        finally:
            process.kill()


def main(serial: str, lost: str = "0") -> None:
    aravis = load_aravis()
    camera = aravis.GvFakeCamera.new(ADDRESS, serial)
    if not camera.is_running():
        sys.exit("the port of GigE Vision, 3956, is taken")
    camera.set_property("gvsp-lost-ratio", float(lost))
    print("running", flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main(*sys.argv[1:])
