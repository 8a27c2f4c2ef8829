"""Bar codes and matrix codes in the image of a part, read with zxing-cpp; nothing is ever guessed."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from excision.errors import ImageError
from excision.station.parts.formats import formats_of
from excision.station.parts.settings import PartsSettings
from excision.station.store.records import LONGEST_NAME

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LOG = logging.getLogger(__name__)

_SHOWN = 5  # codes in a message


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read from the image of a part.

    Attributes:
        serial: serial number of the part; None where nothing was read, or it is not certain.
        lot: of the part, where the code says it.
        fault: why there is no serial number, in words; empty where there is one.
    """

    serial: str | None = None
    lot: str | None = None
    fault: str = ""


def read_code(image: Path, settings: PartsSettings) -> Reading:
    """Read the code of a part from its image.

    Of codes that say the same, such as two prints of one label, one counts. Codes that say different things
    leave the part without a serial number, as no code does.

    Args:
        image: file; one that cannot be read has no code.
        settings: which codes, where, and what they look like.

    Raises:
        ImageError: the file cannot be read.
        SettingsError: zxing-cpp is missing, or knows no such code.
    """
    from excision.data.decode import decoded

    # Sixteen bits keep a dark image apart, and a large one is never held in floating point.
    with decoded(image) as found:
        grey = np.empty(found.upright, np.uint16)
        for rows, band in found.bands(1):
            grey[rows] = np.rint(band[..., 0] * 65535.0)
    return code_in(grey, settings)


def try_code(image: Path, settings: PartsSettings) -> Reading:
    """Read the code of a part as `read_code` does; never raises."""
    try:
        return read_code(image, settings)
    except ImageError:
        return Reading(fault="no code could be read: the image is damaged")
    except Exception as error:
        # The image was accepted, so it must get a result, with or without a code.
        _LOG.exception("reading a code failed")
        return Reading(fault=f"no code could be read ({type(error).__name__})")


def code_in(grey: NDArray[np.uint8] | NDArray[np.uint16], settings: PartsSettings) -> Reading:
    """Read the code of a part from grey levels (H, W) of any range; a dark image is stretched."""
    import zxingcpp

    kinds = ", ".join(settings.formats)
    found = zxingcpp.read_barcodes(
        _stretched(_cut(grey, settings.region)),
        formats=formats_of(settings.formats),
        text_mode=zxingcpp.TextMode.Plain,
    )
    texts = sorted({code.text for code in found if code.valid and code.text})
    if not texts:
        return Reading(fault=f"no code found ({kinds})")
    fitting = {text: said for text in texts if (said := _said(text, settings.pattern)) is not None}
    if not fitting:
        return Reading(fault=f"no code fits the pattern; found {_shown(texts)}")
    if len(fitting) > 1:
        return Reading(fault=f"{len(fitting)} different codes found: {_shown(list(fitting))}")
    ((text, said),) = fitting.items()
    if said.serial is not None and len(said.serial) > LONGEST_NAME:
        return Reading(fault=f"the code has {len(said.serial)} characters; {LONGEST_NAME} are the most")
    if said.serial is None and said.lot is None:
        return Reading(fault=f"the code names neither a serial number nor a lot: {_shown([text])}")
    return said


def _said(text: str, pattern: str | None) -> Reading | None:
    """Give what a code says, or None where it is of another kind."""
    found = re.fullmatch(pattern, text) if pattern else None
    if pattern and found is None:
        return None
    groups = {} if found is None else found.groupdict()
    serial = groups.get("serial") if "serial" in groups else None if "lot" in groups else text
    return Reading(_printed(serial), _printed(groups.get("lot")))


def _printed(text: str | None) -> str | None:
    """Give a text as people and signals can carry it: a separator of GS1 as "<GS>", a control as "<0D>"."""
    if text is None:
        return None
    shown = "".join(
        letter if letter.isprintable() else "<GS>" if letter == "\x1d" else f"<{ord(letter):02X}>"
        for letter in text.strip()
    )
    return shown or None


def _shown(texts: list[str]) -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(str(_printed(text))[:60] for text in texts[:_SHOWN]) + more


def _stretched(grey: NDArray[Any]) -> NDArray[np.uint8]:
    low, high = int(grey.min()), int(grey.max())
    scale = np.float32(255.0 / (high - low) if high > low else 0.0)
    levels: NDArray[np.uint8] = np.rint((grey - grey.dtype.type(low)).astype(np.float32) * scale).astype(
        np.uint8
    )
    return levels


def _cut(grey: NDArray[Any], region: tuple[float, ...]) -> NDArray[Any]:
    if not region:
        return grey
    height, width = grey.shape
    x, y, across, down = region
    left, top = int(x * width), int(y * height)
    right, bottom = int(np.ceil((x + across) * width)), int(np.ceil((y + down) * height))
    return grey[top : max(bottom, top + 1), left : max(right, left + 1)]
