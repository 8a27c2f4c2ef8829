"""All the forms of images that can be passed for inspection, converted to paths and plain arrays.

The meaning of the shape of an array:

(H, W)                          one grey image
(H, W, C) with C 1, 3 or 4      one image: grey, RGB, or RGB with alpha, which is laid over black
(N, H, W, C) with C 1, 3 or 4   a batch of N images

Every other shape is refused. A three-dimensional array whose last dimension is 1, 3 or 4 is one image, not a
batch (N, H, W), because no image is that narrow (`MIN_SIDE`). With another last dimension it could be a batch
of grey images, or one image with its channels first; pass a batch as (N, H, W, 1). Torch tensors have their
channels first: (H, W), (C, H, W) or (N, C, H, W).
"""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from excision.data.decode import given_array, picture_array, probe_image
from excision.data.listing import list_images, match_pattern, warn_passed_over
from excision.errors import ImageError, SettingsError

if TYPE_CHECKING:
    from torch import Tensor

OneImage: TypeAlias = "NDArray[Any] | str | os.PathLike[str] | Image.Image | Tensor"
"""One image; as an input of `predict` also a folder, a glob pattern or a batch."""

ColorOrder = Literal["rgb", "bgr"]
"""Order of the channels of arrays and tensors: OpenCV reads files as "bgr"."""

ACCEPTED = (
    "give a path, a folder, a glob pattern, an array (H, W), (H, W, C) or (N, H, W, C), a PIL image, "
    "a torch tensor (C, H, W) or (N, C, H, W), or a list of these"
)
_CHANNELS = (1, 3, 4)


@dataclass(frozen=True, slots=True)
class InputImage:
    """One image to inspect.

    Attributes:
        image: path of a file, or an array (H, W) or (H, W, C), as `array_image` takes it.
        source: the path as text; None for an image that was in memory.
    """

    image: Path | NDArray[Any]
    source: str | None

    def size(self) -> tuple[int, int]:
        """Give (H, W) in pixels, upright, from the header where it is a file.

        Raises:
            ImageError: the file is missing or not an image.
        """
        if isinstance(self.image, Path):
            return probe_image(self.image).size
        height, width = self.image.shape[:2]
        return height, width


def input_images(images: Iterable[OneImage] | OneImage, color: ColorOrder = "rgb") -> Iterator[InputImage]:
    """Give all images one by one, lazily and in order.

    A folder stands for the image files anywhere below it, a glob pattern for the image files and folders that
    it matches unless a file has that very name, and a batch for its N images.

    Args:
        images: one of these, or an iterable of them.
        color: order of the channels of arrays and tensors. Files and PIL images know their own.

    Raises:
        ImageError: something is not an image, a folder contains no image, or a pattern matches none.
        SettingsError: `color` is neither "rgb" nor "bgr".
    """
    _check_color(color)
    if _is_single(images):
        yield from _of_item(images, color)
        return
    if isinstance(images, bytes | bytearray) or not isinstance(images, Iterable):
        raise _refusal(images)
    for item in images:
        if not _is_single(item):
            raise _refusal(item)
        yield from _of_item(item, color)


def input_image(image: OneImage, color: ColorOrder = "rgb") -> InputImage:
    """Give exactly one image: a path of a file, an array, a PIL image or a tensor.

    Raises:
        ImageError: it is not an image, or more than one.
        SettingsError: `color` is neither "rgb" nor "bgr".
    """
    _check_color(color)
    if isinstance(image, str | os.PathLike):
        path = Path(image)
        if path.is_dir():
            raise ImageError(f"{path}: this is a folder, and one image is wanted; `predict` takes folders")
        return InputImage(path, str(path))
    if not _is_single(image):
        raise _refusal(image)
    array = _plain_array(image, color)
    if array.ndim == 4:
        raise ImageError(
            f"An array of shape {array.shape} is a batch, and one image is wanted; `predict` takes batches"
        )
    return InputImage(array, None)


def _of_item(item: Any, color: ColorOrder) -> Iterator[InputImage]:
    if isinstance(item, str | os.PathLike):
        for path in _files(Path(item)):
            yield InputImage(path, str(path))
        return
    array = _plain_array(item, color)
    for image in array if array.ndim == 4 else [array]:
        yield InputImage(image, None)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return _below(path)
    # A missing file is reported like any file that cannot be read.
    if os.path.lexists(path) or not glob.has_magic(str(path)):
        return [path]
    found = match_pattern(path)
    if not found:
        raise ImageError(f"{path}: no image or folder matches this pattern")
    return [image for match in found for image in (_below(match) if match.is_dir() else [match])]


def _below(folder: Path) -> list[Path]:
    listing = list_images(folder)
    warn_passed_over(listing)
    if not listing.images:
        raise ImageError(f"{folder}: there is no image in this folder")
    return listing.images


def _is_single(item: object) -> bool:
    return isinstance(item, str | os.PathLike | np.ndarray | Image.Image) or _is_tensor(item)


def _is_tensor(item: object) -> bool:
    # A caller with a tensor has imported torch already; others need not import it.
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(item, torch.Tensor)


def _plain_array(item: Any, color: ColorOrder) -> NDArray[Any]:
    """Convert an image in memory to a plain contiguous array (H, W), (H, W, C) or (N, H, W, C) in RGB."""
    if isinstance(item, Image.Image):
        return picture_array(item)
    array = _of_tensor(item) if _is_tensor(item) else _of_array(item)
    if color == "bgr" and array.ndim > 2 and array.shape[-1] > 1:
        array = array[..., [2, 1, 0, 3][: array.shape[-1]]]
    # Another memory layout would sum the channels in another order and change the last bit of a score.
    return np.ascontiguousarray(array)


def _of_array(array: NDArray[Any]) -> NDArray[Any]:
    plain = given_array(array)
    if plain.ndim == 2 or (plain.ndim in (3, 4) and plain.shape[-1] in _CHANNELS):
        return plain
    hint = ""
    if plain.ndim in (3, 4) and plain.shape[-3] in _CHANNELS:
        order = "1, 2, 0" if plain.ndim == 3 else "0, 2, 3, 1"
        hint = f"; if its channels come first, give array.transpose({order})"
    elif plain.ndim == 3:
        hint = "; a batch of grey images is given as (N, H, W, 1)"
    raise ImageError(
        f"An array of shape {plain.shape} is not an image: (H, W), (H, W, C) with C 1, 3 or 4 and the batch "
        f"(N, H, W, C) are{hint}"
    )


def _of_tensor(tensor: Tensor) -> NDArray[Any]:
    if tensor.is_nested:
        raise ImageError("A nested tensor is not an image; give its tensors one by one, as a list")
    shape = tuple(tensor.shape)
    if not (len(shape) == 2 or (len(shape) in (3, 4) and shape[-3] in _CHANNELS)):
        raise ImageError(
            f"A tensor of shape {shape} is not an image: (H, W), (C, H, W) with C 1, 3 or 4 and the batch "
            "(N, C, H, W) are"
        )
    try:
        plain = tensor.detach().cpu().resolve_conj().resolve_neg()
        if plain.is_floating_point():
            # numpy knows no bfloat16.
            plain = plain.float()
        array: NDArray[Any] = plain.numpy()
    except (RuntimeError, TypeError) as error:
        raise ImageError(
            f"A tensor of type {tensor.dtype} and layout {tensor.layout} on {tensor.device} cannot be used "
            f"({error}); give a dense one of uint8, uint16, bool or floats in [0, 1]"
        ) from error
    return array if array.ndim == 2 else np.moveaxis(array, -3, -1)


def _check_color(color: str) -> None:
    if color not in ("rgb", "bgr"):
        raise SettingsError(f'color is {color!r}: choose "rgb" or "bgr"')


def _refusal(item: object) -> ImageError:
    return ImageError(f"{type(item).__name__} is not an image: {ACCEPTED}")
