from __future__ import annotations

import base64
import hashlib
import io
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from excision.cameras.camera import open_camera
from excision.cameras.http import HttpSettings
from excision.errors import CameraError, SettingsError
from excision.system.credentials import Secret

WAIT = 60.0


class Camera(BaseHTTPRequestHandler):
    """An IP camera: what it answers is told by the path."""

    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked += 1
        getattr(self, "answer_" + self.path.strip("/"))()

    def answer_picture(self) -> None:
        self.reply(picture(self.server.asked))

    def answer_broken(self) -> None:
        self.reply(picture(1)[:50])

    def answer_text(self) -> None:
        self.reply(b"<html>Log in</html>")

    def answer_short(self) -> None:
        self.reply(picture(1), announced=10**6)
        self.close_connection = True

    def answer_endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(10_000):
            self.wfile.write(b"x" * 65536)

    def answer_slow(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        for _ in range(100):
            self.wfile.write(b"x")
            time.sleep(0.05)

    def answer_fault(self) -> None:
        self.send_error(503)

    def answer_basic(self) -> None:
        wanted = base64.b64encode(b"admin:geheim").decode()
        if self.headers.get("Authorization") == f"Basic {wanted}":
            self.answer_picture()
        else:
            self.refuse('Basic realm="camera"')

    def answer_digest(self) -> None:
        given = dict(re.findall(r'(\w+)="?([^",]+)"?', self.headers.get("Authorization", "")))
        one, two = md5(b"admin:camera:geheim"), md5(b"GET:/digest")
        if given and given["response"] == md5(
            f"{one}:abc:{given['nc']}:{given['cnonce']}:auth:{two}".encode()
        ):
            self.answer_picture()
        else:
            self.refuse('Digest realm="camera", nonce="abc", qop="auth"')

    def refuse(self, challenge: str) -> None:
        self.send_response(401)
        self.send_header("WWW-Authenticate", challenge)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def reply(self, content: bytes, announced: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(announced or len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    asked = 0

    def handle_error(self, *_: Any) -> None:
        """A camera does not mind that somebody hung up."""


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def picture(value: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((16, 24), value, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


@contextmanager
def running() -> Iterator[str]:
    with Server(("127.0.0.1", 0), Camera) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def camera_url() -> Iterator[str]:
    with running() as url:
        yield url


def test_a_picture_is_taken_when_it_is_asked_for() -> None:
    with running() as url, closing(open_camera("front", HttpSettings(url=f"{url}/picture"))) as camera:
        camera.start()
        time.sleep(0.3)
        frames = [camera.grab(WAIT) for _ in range(3)]
    assert [int(frame.pixels[0, 0]) for frame in frames] == [1, 2, 3]
    assert [frame.number for frame in frames] == [1, 2, 3]


@pytest.mark.parametrize("way", ["basic", "digest"])
def test_a_camera_that_asks_for_a_login_gets_it(camera_url: str, way: str, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("geheim\n")
    settings = HttpSettings(url=f"{camera_url}/{way}", user="admin", password=Secret(secret))
    assert settings.check() == f"{camera_url}/{way}: a picture of 24 x 16 pixels, grey, 8 bits"
    assert "geheim" not in repr(settings)
    with pytest.raises(CameraError, match="401 Unauthorized: set user and password"):
        HttpSettings(url=f"{camera_url}/{way}").check()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("broken", "the file is damaged"),
        ("text", "damaged or not an image"),
        ("short", "the answer has .* of 1000000 bytes"),
        ("endless", r"the answer is larger than 1000000 bytes \(most_bytes\)"),
        ("slow", r"did not come whole within 0\.5 s"),
        ("fault", "the camera answers 503 Service Unavailable"),
    ],
)
def test_what_is_wrong_with_an_answer_is_said_at_once(camera_url: str, path: str, said: str) -> None:
    patience = 0.5 if path == "slow" else 60.0
    settings = HttpSettings(url=f"{camera_url}/{path}", timeout=patience, most_bytes=10**6)
    with closing(open_camera("front", settings)) as camera:
        camera.start()
        begun = time.monotonic()
        with pytest.raises(CameraError, match=said):
            camera.grab(WAIT)
        assert time.monotonic() - begun < WAIT


def test_an_address_that_never_answers_holds_nobody_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings = HttpSettings(url=f"http://127.0.0.1:{server.getsockname()[1]}/x", timeout=0.5)
        with closing(open_camera("front", settings)) as camera:
            camera.start()
            with pytest.raises(CameraError, match=r"no answer within 0\.5 s"):
                camera.grab(WAIT)
    with pytest.raises(CameraError, match="cannot be reached"):
        settings.check()


def test_a_camera_that_comes_back_answers_again() -> None:
    with running() as url:
        settings = HttpSettings(url=f"{url}/picture", timeout=60.0)
    with closing(open_camera("front", settings)) as camera:
        camera.start()
        for _ in range(3):
            with pytest.raises(CameraError, match="cannot be reached"):
                camera.grab(WAIT)
        assert camera.state().connection == "disconnected"
        with Server(("127.0.0.1", int(url.rpartition(":")[2])), Camera) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            assert camera.grab(WAIT).pixels.shape == (16, 24)
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"url": "ftp://cam/a"}, "^url is .* must begin with http:// or https://"),
        ({"url": "http://"}, "^url is .* names no host"),
        ({"url": "http://admin:geheim@cam/a"}, "^url holds a user or a password"),
        ({"url": "http://cam/a?password=geheim", "timeout": -1.0}, "^timeout"),
        ({"url": "http://cam/a", "password": Secret(env="X")}, "^user is missing"),
        ({"url": "http://cam/a", "most_bytes": 0}, "^most_bytes is 0"),
        ({"url": "http://cam/a", "strip_height": 4, "strip_overlap": 9}, "^strip_overlap is 9"),
    ],
)
def test_a_setting_that_is_wrong_is_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        HttpSettings(**wrong)
    assert "geheim" not in str(refused.value)


def test_a_key_in_the_address_is_not_shown() -> None:
    source = HttpSettings(url="http://cam/a?password=geheim").source()
    assert source.where == "http://cam/a?password=***"
