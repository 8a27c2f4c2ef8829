"""A real GigE Vision camera on loopback, in a process of its own: the fake camera of Aravis.

    python -m tests.cameras.fake_camera SERIAL [PACKETS_LOST [PICTURES]]

PACKETS_LOST is the share of the packets that the camera does not send. With PICTURES, a folder, the camera
sees these pictures in Mono8, one after the other, in place of its moving gradient.
"""

from __future__ import annotations

import ctypes
import fcntl
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
def fake_camera(serial: str = "EXC1", lost: float = 0.0, pictures: Path | None = None) -> Iterator[None]:
    """Run the camera, from when it answers; at the end it is killed as by a power cut."""
    command = [sys.executable, "-m", "tests.cameras.fake_camera", serial, str(lost)]
    command += [] if pictures is None else [str(pictures)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "running\n"
            yield
        finally:
            process.kill()


def _show(camera: Any, folder: Path) -> object:
    """Have the camera see pictures; gives what must be kept as long as it runs.

    PyGObject hands copies of a buffer to a callback, so that this goes by the functions of the library in C.
    """
    from PIL import Image

    library = ctypes.CDLL("libaravis-0.8.so.0")
    for name in ("arv_gv_fake_camera_get_fake_camera", "arv_buffer_get_data"):
        getattr(library, name).restype = ctypes.c_void_p
    shown = itertools.cycle(sorted(folder.iterdir()))
    kind = ctypes.CFUNCTYPE(
        None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32
    )

    def fill(buffer: int, *_: object) -> None:
        edges = [ctypes.c_int() for _ in range(4)]
        data = library.arv_buffer_get_data(ctypes.c_void_p(buffer), None)
        library.arv_buffer_get_image_region(ctypes.c_void_p(buffer), *map(ctypes.byref, edges))
        with Image.open(next(shown)) as picture:
            content = picture.convert("L").resize((edges[2].value, edges[3].value)).tobytes()
        # The library has seen to it that the buffer holds as many pixels; in Mono8 each is one byte.
        ctypes.memmove(data, content, len(content))

    pattern = kind(fill)
    inner = library.arv_gv_fake_camera_get_fake_camera(ctypes.c_void_p(hash(camera)))
    library.arv_fake_camera_set_fill_pattern(ctypes.c_void_p(inner), pattern, None)
    return pattern


def main(serial: str, lost: str = "0", pictures: str = "") -> None:
    aravis = load_aravis()
    camera = aravis.GvFakeCamera.new(ADDRESS, serial)
    if not camera.is_running():
        sys.exit("the port of GigE Vision, 3956, is taken")
    camera.set_property("gvsp-lost-ratio", float(lost))
    _kept = _show(camera, Path(pictures)) if pictures else None  # as long as this function runs
    print("running", flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main(*sys.argv[1:])
