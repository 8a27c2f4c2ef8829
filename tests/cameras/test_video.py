from __future__ import annotations

import io
import logging
import os
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from excision.cameras.camera import open_camera
from excision.cameras.libraries import load_library
from excision.cameras.video import VideoSettings
from excision.errors import CameraEndError, CameraError, SettingsError
from excision.system.credentials import Secret
from tests.cameras.rtsp_server import rtsp_server

try:
    av = load_library("av", "video", "video")
except CameraError as error:
    pytest.skip(str(error), allow_module_level=True)

WAIT = 60.0
KINDS: dict[str, type[np.uint8 | np.uint16]] = {
    "gray": np.uint8,
    "rgb24": np.uint8,
    "gray16le": np.uint16,
    "rgb48le": np.uint16,
}


def scene(form: str, count: int) -> list[NDArray[Any]]:
    kind = KINDS[form]
    rng = np.random.default_rng(0)
    size = (48, 64) if form.startswith("gray") else (48, 64, 3)
    return [rng.integers(0, np.iinfo(kind).max + 1, size).astype(kind) for _ in range(count)]


def write_video(target: Any, images: Sequence[NDArray[Any]], codec: str, pixels: str, **options: Any) -> None:
    with av.open(target, "w", **options) as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pixels
        deep = images[0].dtype == np.uint16
        form = "gray16le" if deep else {2: "gray", 3: "rgb24"}[images[0].ndim]
        for image in images:
            for packet in stream.encode(
                av.VideoFrame.from_ndarray(image, format=form).reformat(format=pixels)
            ):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


@pytest.mark.parametrize(("form", "stored"), [("gray", "gray"), ("gray16le", "gray16le"), ("rgb24", "bgr0")])
def test_pictures_of_a_lossless_video_come_as_they_were(tmp_path: Path, form: str, stored: str) -> None:
    path, images = tmp_path / "a: video.mkv", scene(form, 12)
    write_video(str(path), images, "ffv1", stored)
    with closing(open_camera("front", VideoSettings(path=path, buffer=2))) as camera:
        camera.start()
        for image in images:
            assert np.array_equal(camera.grab(WAIT).pixels, image)
        with pytest.raises(CameraEndError):
            camera.grab(WAIT)
    assert camera.state().dropped == 0


def test_a_video_that_breaks_off_ends_and_one_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.mkv"
    write_video(str(path), scene("gray", 20), "ffv1", "gray")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with closing(open_camera("front", VideoSettings(path=path))) as camera:
        camera.start()
        with pytest.raises(CameraEndError):
            while True:
                camera.grab(WAIT)
    assert 0 < camera.state().frames < 20
    path.write_bytes(b"not a video" * 100)
    with pytest.raises(CameraError, match="cannot be opened"):
        VideoSettings(path=path).check()
    with pytest.raises(CameraError, match="there is no such file"):
        VideoSettings(path=tmp_path / "none.mkv").check()


def test_a_playlist_opens_no_other_file_of_the_machine(tmp_path: Path) -> None:
    write_video(str(tmp_path / "secret.ts"), scene("gray", 3), "mpeg2video", "yuv420p", format="mpegts")
    playlist = tmp_path / "list.m3u8"
    playlist.write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nconcat:{tmp_path}/secret.ts\n#EXT-X-ENDLIST\n"
    )
    with pytest.raises(CameraError):
        VideoSettings(path=playlist).check()


def moving_video() -> bytes:
    images = []
    for place in range(50):
        image = np.full((48, 64, 3), 60, np.uint8)
        image[10:30, place % 40 : place % 40 + 20] = (200, 30, 90)
        images.append(image)
    buffer = io.BytesIO()
    write_video(buffer, images, "mpeg2video", "yuv420p", format="mpegts")
    return buffer.getvalue()


def test_a_stream_over_rtsp_with_a_login_is_read_until_it_hangs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = tmp_path / "password"
    secret.write_text("pa/ss@w:rd\n")
    caplog.set_level(logging.DEBUG)
    with rtsp_server(moving_video(), "operator:pa/ss@w:rd") as port:
        settings = VideoSettings(
            url=f"rtsp://127.0.0.1:{port}/stream",
            user="operator",
            password=Secret(secret),
            timeout=2.0,
            buffer=50,
        )
        with closing(open_camera("front", settings)) as camera:
            camera.start()
            frames = [camera.grab(WAIT) for _ in range(20)]
            # The server hangs after the last picture; the camera gives it up, and connects again.
            end = time.monotonic() + WAIT
            while camera.state().reconnects == 0:
                assert time.monotonic() < end
                time.sleep(0.05)
            shown = f"{camera.state()} {settings} {caplog.text}"
        assert "nothing came within 2 s" in caplog.text
        wrong = VideoSettings(url=settings.url, timeout=60.0)
        with pytest.raises(CameraError, match=r"127\.0\.0\.1.*cannot be opened"):
            wrong.check()
    assert frames[0].pixels.shape == (48, 64, 3)
    assert frames[10].pixels[20].max() > 150
    assert all(b.time >= a.time for a, b in pairwise(frames))
    assert "pa/ss" not in shown
    assert "pa%2Fss" not in shown


def test_an_address_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        settings = VideoSettings(url=f"rtsp://127.0.0.1:{port}/stream", timeout=0.5)
        begun = time.monotonic()
        with pytest.raises(CameraError, match=r"nothing came within 0\.5 s"):
            settings.check()
    assert time.monotonic() - begun < WAIT


def test_a_stream_over_tcp_is_read_and_taken_up_again() -> None:
    content = moving_video()
    ended = threading.Event()

    def serve(server: socket.socket) -> None:
        for _ in range(2):
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.sendall(content)
        ended.wait()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        settings = VideoSettings(url=f"tcp://127.0.0.1:{server.getsockname()[1]}", timeout=2.0, buffer=1000)
        with closing(open_camera("front", settings)) as camera:
            camera.start()
            end = time.monotonic() + WAIT
            while camera.state().reconnects == 0 or camera.state().frames < 60:
                assert time.monotonic() < end
                time.sleep(0.05)
            assert camera.grab(WAIT).number == 1
        ended.set()
        thread.join()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "^url, usb or path must be given"),
        ({"url": "rtsp://a", "usb": "/dev/video0"}, "^url, usb or path must be given.*url, usb"),
        ({"url": "file:///etc/passwd"}, "^url is .* must begin with rtsp://"),
        ({"url": "rtsp://admin:geheim@cam/1"}, "^url holds a user or a password"),
        ({"url": "rtsp://admin:ge/heim@cam/1"}, "^url "),
        ({"url": "rtsp://cam/1", "user": "admin"}, "^password is missing"),
        ({"usb": "video0"}, "^usb is"),
        ({"url": "rtsp://cam/1", "timeout": 0.0}, "^timeout is 0"),
    ],
)
def test_a_setting_that_is_wrong_is_named_without_its_password(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        VideoSettings(**wrong)
    assert "heim" not in str(refused.value)


@pytest.mark.skipif(os.path.exists("/dev/video99"), reason="there is a camera at /dev/video99")  # noqa: PTH110
def test_a_usb_camera_that_is_not_there_is_named() -> None:
    with pytest.raises(CameraError, match=r"/dev/video99: cannot be opened \(No such file"):
        VideoSettings(usb="/dev/video99").check()
