"""A client of the service, with nothing but what Python and the core installation bring.

>>> from excision.station.client import Client
>>> client = Client("http://127.0.0.1:8000")
>>> client.inspect("part_017.png").verdict                       # doctest: +SKIP
"""

from __future__ import annotations

import http.client
import io
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
import warnings
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from excision.errors import BusyError, GoneError, ImageError, StationError
from excision.predictions import Box, Verdict

if TYPE_CHECKING:
    from excision.data.inputs import OneImage

View = Literal["image", "overlay", "map", "map_tiff", "attention", "mask", "masked_image", "recovery"]

_FILTERS = ("since", "until", "verdict", "lowest", "highest", "source", "model", "labelled", "marked")
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Answer:
    """A result as the station tells it.

    Attributes:
        id: number of the result.
        time: of the inspection, in UTC.
        source: name that the image was given.
        model: name of the model.
        model_version: which of its versions gave the verdict.
        score: anomaly score; None where the image could not be inspected.
        verdict: "good", "review", "defect" or "unfit"; None where the image could not be inspected.
        threshold: decision threshold in the unit of the score.
        review_threshold: where the grey zone begins; None for no such zone.
        defect_area_share: share of the pixels above the lowest threshold, 0 to 1.
        boxes: (x, y, width, height) in pixels of the image, strongest first.
        width: of the image in pixels.
        height: of the image in pixels.
        error: why the image could not be inspected.
        seconds: time of each stage.
        links: paths at the station, by name.
        p_value: conformal p-value of the score: the share of good parts that are expected to score at least
            as much; None where it is unknown.
        unfit: why the image is not fit to be inspected; empty where it is.
    """

    id: int
    time: datetime
    source: str
    model: str
    model_version: str
    score: float | None
    verdict: Verdict | None
    threshold: float
    review_threshold: float | None
    defect_area_share: float | None
    boxes: tuple[Box, ...]
    width: int | None
    height: int | None
    error: str | None
    seconds: dict[str, float]
    links: dict[str, Any]
    # A station of an earlier version does not say these.
    p_value: float | None = None
    unfit: tuple[str, ...] = ()


class Client:
    """A station's service; it may be used from several threads.

    Args:
        url: of the service, such as "http://127.0.0.1:8000".
        key: that the station asks for; None shows none.
        timeout: seconds without an answer after which a request is given up.
        patience: seconds for which a busy station is asked again.
    """

    def __init__(
        self, url: str, key: str | None = None, *, timeout: float = 60.0, patience: float = 60.0
    ) -> None:
        self.url = url.rstrip("/")
        self.timeout = timeout
        self.patience = patience
        self._headers = {} if key is None else {"X-API-Key": key}
        # A station is a machine of one's own: no proxy lies between.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def inspect(
        self, image: OneImage | bytes, *, source: str | None = None, model: str | None = None
    ) -> Answer:
        """Have an image inspected, and wait while the station is busy.

        Args:
            image: a path, the bytes of an image file, a PIL image, a tensor (C, H, W), or an array (H, W),
                (H, W, 1) or (H, W, 3) of uint8, uint16, or float in [0, 1].
            source: name that the result is to carry; None takes that of the file.
            model: name of the model; None takes the station's default.

        Raises:
            BusyError: the station had no room for as long as the client is patient.
            ImageError: the file cannot be opened, or the station cannot inspect it.
            StationError: the station cannot be reached, or refuses.
        """
        name, content = _bytes(image)
        query = _query(source=source or name, model=model)
        try:
            answer = self._json("POST", f"/v1/inspect?{query}", content, "application/octet-stream")
        except _StatusError as error:
            raise ImageError(str(error)) if error.status in (413, 422) else error from None
        return _answer(answer["results"][0])

    def results(self, **filters: Any) -> Iterator[Answer]:
        """Give results, newest first, page by page as they are asked for.

        Args:
            filters: since, until (datetime, or text in ISO 8601), verdict ("good", "review", "defect",
                "unfit" or "failed"), lowest, highest (score), source (part of it), model, labelled (True or
                False), or marked, which is the old name of labelled.

        Raises:
            StationError: the station cannot be reached, or refuses.
            TypeError: there is no such filter.
        """
        unknown = filters.keys() - set(_FILTERS)
        if unknown:
            raise TypeError(f"no such filter: {', '.join(sorted(unknown))}; there are {', '.join(_FILTERS)}")
        cursor: int | None = None
        while True:
            page = self._json("GET", f"/v1/results?{_query(**filters, limit=_PAGE, cursor=cursor)}")
            yield from map(_answer, page["results"])
            cursor = page["next"]
            if cursor is None:
                return

    def result(self, number: int) -> Answer:
        """Give a result by its number.

        Raises:
            StationError: there is none, or the station cannot be reached.
        """
        return _answer(self._json("GET", f"/v1/results/{number}")["result"])

    def view(self, number: int, view: View) -> bytes:
        """Give the bytes of an image, or of a picture or map of its result.

        Raises:
            GoneError: the image is not kept, or the model is not loaded any more.
            StationError: there is no such result, or the station cannot be reached.
        """
        places = {"image": "image", "overlay": "overlay.png", "map": "map.png", "map_tiff": "map.tiff"}
        return self._ask("GET", f"/v1/results/{number}/{places.get(view, f'stages/{view}.png')}")

    def label(self, number: int, truth: Literal["good", "defect"], who: str = "", note: str = "") -> None:
        """Say what a part really is.

        Raises:
            StationError: there is no such result, or the station cannot be reached.
        """
        body = json.dumps({"truth": truth, "who": who, "note": note}).encode()
        self._ask("POST", f"/v1/results/{number}/labels", body, "application/json")

    def mark(self, number: int, truth: Literal["good", "defect"], who: str = "", note: str = "") -> None:
        """Do what `label` does, under its old name."""
        warnings.warn("Client.mark is now called Client.label", DeprecationWarning, stacklevel=2)
        self.label(number, truth, who, note)

    def models(self) -> list[dict[str, Any]]:
        """Give the models: name, current and previous version.

        Raises:
            StationError: the station cannot be reached, or refuses.
        """
        models: list[dict[str, Any]] = self._json("GET", "/v1/models")["models"]
        return models

    def drift(self, model: str | None = None) -> dict[str, Any]:
        """Tell whether the parts drift away from what a model was calibrated on.

        Args:
            model: name; None takes the station's default.

        Returns:
            `warning` (None, or an object with `statistic`, `direction`, `since` and more), `statistics`,
            `promise` and `standing` in words, and more: see `/openapi.json`.

        Raises:
            StationError: there is no such model, or the station cannot be reached.
        """
        return self._json("GET", self._drift_of(model))

    def decide_drift(
        self,
        decision: Literal["accept", "mended", "restart", "undo"],
        model: str | None = None,
        who: str = "",
        note: str = "",
    ) -> dict[str, Any]:
        """Say what to do about a drift warning, and give how things stand after it.

        Args:
            decision: "accept": what is so now is normal as well; "mended": the cause was removed, and normal
                is what it was; "restart": learn anew what is normal; "undo": take back the last decision.
            model: name; None takes the station's default.
            who: name of the person who decides.
            note: in the person's words.

        Raises:
            StationError: there is no warning or nothing to undo, or the station cannot be reached.
        """
        body = json.dumps({"decision": decision, "who": who, "note": note}).encode()
        return self._json("POST", self._drift_of(model), body, "application/json")

    def _drift_of(self, model: str | None) -> str:
        name = self.models()[0]["name"] if model is None else model
        return f"/v1/models/{urllib.parse.quote(name, safe='')}/drift"

    def _json(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self._ask(method, path, body, kind))
        return content

    def _ask(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> bytes:
        deadline = time.monotonic() + self.patience
        while True:
            try:
                return self._once(method, path, body, kind)
            except _BusyError as busy:
                if time.monotonic() + busy.wait > deadline:
                    raise BusyError(str(busy)) from None
                time.sleep(busy.wait)

    def _once(self, method: str, path: str, body: bytes | None, kind: str) -> bytes:
        headers = self._headers | ({"Content-Type": kind} if kind else {})
        request = urllib.request.Request(self.url + path, data=body, headers=headers, method=method)
        try:
            with self._opener.open(request, timeout=self.timeout) as response:
                content: bytes = response.read()
                return content
        except urllib.error.HTTPError as error:
            with error:
                raise _problem(error.code, error.headers.get("Retry-After"), error.read()) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or str(error) or type(error).__name__
            raise StationError(f"{self.url}: no answer from the station ({reason})") from error


class _StatusError(StationError):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class _BusyError(BusyError):
    def __init__(self, detail: str, wait: float) -> None:
        super().__init__(detail)
        self.wait = wait


def _problem(status: int, retry_after: str | None, body: bytes) -> StationError:
    try:
        detail = str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        detail = f"the station answered with status {status}"
    if status == http.client.SERVICE_UNAVAILABLE:
        wait = float(retry_after) if retry_after and retry_after.isdigit() else 1.0
        return _BusyError(detail, max(wait, 0.1))
    return GoneError(detail) if status == http.client.GONE else _StatusError(status, detail)


def _bytes(image: OneImage | bytes) -> tuple[str, bytes]:
    if isinstance(image, bytes):
        return "upload", image
    if not isinstance(image, str | os.PathLike):
        import tifffile

        from excision.data.inputs import input_image

        # Refuses what is no image, such as a list; PIL images and tensors become arrays.
        plain = np.asarray(input_image(image).image)
        plain = plain[..., 0] if plain.ndim == 3 and plain.shape[2] == 1 else plain
        colour = plain.ndim == 3 and plain.shape[2] in (3, 4)
        alpha = ["unassalpha"] if colour and plain.shape[2] == 4 else None
        # tifffile packs bits only with a compression.
        plain = plain.astype(np.uint8) * np.uint8(255) if plain.dtype == np.bool_ else plain
        stream = io.BytesIO()
        tifffile.imwrite(
            stream,
            plain,
            photometric="rgb" if colour else "minisblack",
            extrasamples=alpha,
            metadata=None,
        )
        return "array", stream.getvalue()
    try:
        return Path(image).name, Path(image).read_bytes()
    except OSError as error:
        raise ImageError(f"{image}: cannot be opened ({error.strerror})") from error
    except ValueError as error:
        raise ImageError(f"{image!r}: cannot be the name of a file ({error})") from error


def _query(**values: Any) -> str:
    words = {
        name: value.isoformat() if isinstance(value, datetime) else str(value)
        for name, value in values.items()
        if value is not None
    }
    # A file name need not be text: bytes that are not become escapes.
    return urllib.parse.urlencode(words, errors="backslashreplace")


def _answer(content: dict[str, Any]) -> Answer:
    values = {
        field.name: content[field.name]
        for field in fields(Answer)
        if field.name in content or field.default is MISSING
    }
    values["time"] = datetime.fromisoformat(content["time"])
    values["boxes"] = tuple(tuple(box) for box in content["boxes"])
    values["unfit"] = tuple(content.get("unfit", ()))
    return Answer(**values)
