"""Cameras that answer each request over HTTP with one picture, as most IP cameras do."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import ClassVar
from urllib.error import HTTPError
from urllib.request import (
    HTTPBasicAuthHandler,
    HTTPDigestAuthHandler,
    HTTPPasswordMgrWithDefaultRealm,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
)

from excision.cameras.address import check_login, check_url, shown_address
from excision.cameras.camera import Pixels
from excision.cameras.folder import read_file
from excision.cameras.settings import CommonSettings
from excision.cameras.source import Shot
from excision.errors import CameraError, DamagedFrameError, SettingsError
from excision.system.credentials import Secret
from excision.system.duration import Duration

_PIECE = 2**16
_MOST_BYTES = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings(CommonSettings):
    """`kind = "http"`: a picture for each request to an address.

    Attributes:
        url: address that answers with an image: JPEG, PNG or any other that Excision reads.
        user: for cameras that ask for one, by basic or digest authentication.
        password: of the user; where it is kept.
        timeout: in which the whole answer must have come.
        most_bytes: largest answer that is taken.
    """

    kind: ClassVar[str] = "http"

    url: str
    user: str | None = None
    password: Secret | None = None
    timeout: Duration = 5.0
    most_bytes: int = 2**26

    def __post_init__(self) -> None:
        CommonSettings.__post_init__(self)
        check_url("url", self.url, ("http", "https"))
        check_login(self.user, self.password)
        if not 0 < self.timeout <= 600:
            raise SettingsError(f"timeout is {self.timeout:g}: it must be above 0 and at most 600 seconds")
        if not 0 < self.most_bytes <= _MOST_BYTES:
            raise SettingsError(f"most_bytes is {self.most_bytes}: it must lie between 1 and {_MOST_BYTES}")

    def source(self) -> HttpSource:
        """Give the camera; its password is read."""
        password = None if self.password is None else self.password.read()
        return HttpSource(self, password)


class HttpSource:
    """Asks for one picture at a time; see `Source`."""

    patient = True
    on_demand = True

    def __init__(self, settings: HttpSettings, password: str | None) -> None:
        self.where = shown_address(settings.url)
        self._settings = settings
        self._opener = _opener(settings.url, settings.user, password)
        self._asked: float | None = None

    def open(self) -> None:
        """Nothing: each picture has a connection of its own."""

    def trigger(self) -> None:
        """Note that a picture is asked for."""
        self._asked = time.time()

    def read(self, _timeout: float) -> Shot | None:
        """Fetch the picture that was asked for."""
        asked, self._asked = self._asked, None
        if asked is None:
            return None
        return Shot(partial(_decode, self._fetch(), self.where), asked)

    def close(self) -> None:
        """Nothing is held."""

    def _fetch(self) -> bytes:
        timeout = self._settings.timeout
        end = time.monotonic() + timeout
        try:
            with self._opener.open(Request(self._settings.url), timeout=timeout) as answer:
                return self._content(answer, end)
        except HTTPError as error:
            error.close()
            hint = ": set user and password" if error.code == 401 else ""
            said = f"the camera answers {error.code} {error.reason}{hint}"
            raise CameraError(f"{self.where}: {said}") from error
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            if isinstance(reason, TimeoutError):
                raise CameraError(f"{self.where}: no answer within {timeout:g} s") from error
            what = getattr(reason, "strerror", None) or reason
            raise CameraError(f"{self.where}: cannot be reached ({what})") from error

    def _content(self, answer: HTTPResponse, end: float) -> bytes:
        """Read an answer piece by piece, so that neither its size nor its time is without bounds."""
        content, most = bytearray(), self._settings.most_bytes
        while piece := answer.read1(_PIECE):
            content += piece
            if len(content) > most:
                raise CameraError(f"{self.where}: the answer is larger than {most} bytes (most_bytes)")
            if time.monotonic() > end:
                seconds = self._settings.timeout
                raise CameraError(f"{self.where}: the picture did not come whole within {seconds:g} s")
        announced = answer.headers.get("Content-Length")
        if not content or (announced is not None and announced.strip() != str(len(content))):
            of = "" if announced is None else f" of {announced}"
            raise DamagedFrameError(f"{self.where}: the answer has {len(content)}{of} bytes")
        return bytes(content)


def _opener(url: str, user: str | None, password: str | None) -> OpenerDirector:
    """Make what sends requests: past any proxy, which is for the internet, with a login if there is one."""
    if user is None or password is None:
        return build_opener(ProxyHandler({}))
    logins = HTTPPasswordMgrWithDefaultRealm()
    logins.add_password(None, url, user, password)
    return build_opener(ProxyHandler({}), HTTPBasicAuthHandler(logins), HTTPDigestAuthHandler(logins))


def _decode(content: bytes, where: str) -> Pixels:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture"
        path.write_bytes(content)
        try:
            return read_file(path)
        except DamagedFrameError as error:
            raise DamagedFrameError(f"{where}: {str(error).removeprefix(f'{path}: ')}") from error
