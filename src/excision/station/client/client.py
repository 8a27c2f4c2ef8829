"""What a client can ask of a station."""

from __future__ import annotations

import json
import urllib.parse
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from excision.errors import ImageError
from excision.station.client.answer import Answer
from excision.station.client.transport import StatusError, Transport, query_of
from excision.station.client.upload import image_bytes

if TYPE_CHECKING:
    from excision.data.inputs import OneImage

View = Literal["image", "overlay", "map", "map_tiff", "attention", "mask", "masked_image", "recovery"]

_FILTERS = (
    *("since", "until", "verdict", "lowest", "highest", "source", "model", "labelled", "marked"),
    *("serial", "lot", "recipe", "view", "part", "defect_class"),
)
_PAGE = 500


class Client(Transport):
    """A station's service; it may be used from several threads.

    Args:
        url: of the service, such as "http://127.0.0.1:8000".
        key: that the station asks for; None shows none.
        timeout: seconds without an answer after which a request is given up.
        patience: seconds for which a busy station is asked again.
    """

    def inspect(
        self,
        image: OneImage | bytes,
        *,
        source: str | None = None,
        model: str | None = None,
        serial: str | None = None,
        lot: str | None = None,
        view: str | None = None,
    ) -> Answer:
        """Have an image inspected, and wait while the station is busy.

        Args:
            image: a path, the bytes of an image file, a PIL image, a tensor (C, H, W), or an array (H, W),
                (H, W, 1) or (H, W, 3) of uint8, uint16, or float in [0, 1].
            source: name that the result is to carry; None takes that of the file.
            model: name of the model; None takes the station's default.
            serial: serial number of the part.
            lot: that the part belongs to.
            view: which camera or side of the part the image shows.

        Raises:
            BusyError: the station had no room for as long as the client is patient.
            ImageError: the file cannot be opened, or the station cannot inspect it.
            StationError: the station cannot be reached, or refuses.
        """
        name, content = image_bytes(image)
        query = query_of(source=source or name, model=model, serial=serial, lot=lot, view=view)
        try:
            answer = self._json("POST", f"/v1/inspect?{query}", content, "application/octet-stream")
        except StatusError as error:
            raise ImageError(str(error)) if error.status in (413, 422) else error from None
        return Answer.of(answer["results"][0])

    def results(self, **filters: Any) -> Iterator[Answer]:
        """Give results, newest first, page by page as they are asked for.

        Args:
            filters: since, until (datetime, or text in ISO 8601), verdict ("good", "review", "defect",
                "unfit" or "failed"), lowest, highest (score), source (part of it), model, labelled (True or
                False), or marked, which is the old name of labelled, serial, lot, recipe, view, part (its
                number) or defect_class.

        Raises:
            StationError: the station cannot be reached, or refuses.
            TypeError: there is no such filter.
        """
        unknown = filters.keys() - set(_FILTERS)
        if unknown:
            raise TypeError(f"no such filter: {', '.join(sorted(unknown))}; there are {', '.join(_FILTERS)}")
        cursor: int | None = None
        while True:
            page = self._json("GET", f"/v1/results?{query_of(**filters, limit=_PAGE, cursor=cursor)}")
            yield from map(Answer.of, page["results"])
            cursor = page["next"]
            if cursor is None:
                return

    def result(self, number: int) -> Answer:
        """Give a result by its number.

        Raises:
            StationError: there is none, or the station cannot be reached.
        """
        return Answer.of(self._json("GET", f"/v1/results/{number}")["result"])

    def view(self, number: int, view: View) -> bytes:
        """Give the bytes of an image, or of a picture or map of its result.

        Raises:
            GoneError: the image is not kept, or the model is not loaded any more.
            StationError: there is no such result, or the station cannot be reached.
        """
        places = {"image": "image", "overlay": "overlay.png", "map": "map.png", "map_tiff": "map.tiff"}
        return self._ask("GET", f"/v1/results/{number}/{places.get(view, f'stages/{view}.png')}")

    def label(
        self,
        number: int,
        truth: Literal["good", "defect"],
        who: str = "",
        note: str = "",
        defect_class: str | None = None,
    ) -> None:
        """Say what a part really is.

        Args:
            number: of the result.
            truth: "good" or "defect".
            who: name of the person; the station refuses a label without one, unless a person is signed in.
            note: in the person's words.
            defect_class: kind of the defect, one of those that the station knows.

        Raises:
            StationError: there is no such result or class, nobody is named, or the station cannot be reached.
        """
        said = {"truth": truth, "who": who, "note": note, "defect_class": defect_class}
        body = json.dumps({name: value for name, value in said.items() if value is not None}).encode()
        self._ask("POST", f"/v1/results/{number}/labels", body, "application/json")

    def labels(self, number: int) -> list[dict[str, Any]]:
        """Give the labels of a result, the oldest first, with those that were withdrawn.

        Raises:
            StationError: there is no such result, or the station cannot be reached.
        """
        labels: list[dict[str, Any]] = self._json("GET", f"/v1/results/{number}")["labels"]
        return labels

    def withdraw(self, number: int, label: int, who: str, note: str = "") -> None:
        """Take a label back; it stays on record, and the label before it counts again.

        Args:
            number: of the result.
            label: its number, the `id` that `labels` gives.
            who: name of the person.
            note: why.

        Raises:
            StationError: there is no such label, it is withdrawn already, or the station cannot be reached.
        """
        body = json.dumps({"who": who, "note": note}).encode()
        self._ask("POST", f"/v1/results/{number}/labels/{label}/withdrawal", body, "application/json")

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
