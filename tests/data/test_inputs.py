"""Whatever an image is handed over as, its score is that of the plain array or of the file, bit for bit."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from excision import Detector, Inspector, load
from excision.data.images import any_full_image, any_working_image
from excision.data.inputs import InputImage, input_image, input_images
from excision.errors import ImageError, SettingsError
from tests.compatibility.test_format_1 import HERE
from tests.conftest import draw_surface

Model = Detector | Inspector

GREY = draw_surface(3, (40, 56))
COLOUR = draw_surface(4, (40, 56), channels=3)
ALPHA = np.dstack([COLOUR, draw_surface(5, (40, 56))])


@pytest.fixture(scope="module", params=["run", "exported"])
def model(request: pytest.FixtureRequest) -> Model:
    return load(HERE / str(request.param))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three images in a folder and one in a folder below."""
    root = tmp_path_factory.mktemp("images")
    (root / "below").mkdir()
    Image.fromarray(GREY).save(root / "a.png")
    Image.fromarray(COLOUR).save(root / "b.png")
    Image.fromarray(GREY[:, ::-1].copy()).save(root / "c.bmp")
    Image.fromarray(COLOUR[::-1].copy()).save(root / "below" / "d.png")
    (root / "notes.txt").write_text("no image")
    return root


def scores(model: Model, images: Any, **more: Any) -> list[float]:
    return [prediction.score for prediction in model.predict(images, **more)]


def test_the_scores_differ_at_all(model: Model) -> None:
    """Else the comparisons below would not see a wrong image."""
    different = [GREY, GREY[:, ::-1], COLOUR, COLOUR[..., ::-1], ALPHA]
    assert len(set(scores(model, different))) == len(different)


def test_files_folders_and_patterns(model: Model, folder: Path) -> None:
    names = ["a.png", "b.png", "below/d.png", "c.bmp"]
    expected = {name: scores(model, folder / name)[0] for name in names}
    assert expected["a.png"] == scores(model, GREY)[0]
    assert expected["b.png"] == scores(model, COLOUR)[0]
    pngs = {"a.png", "b.png", "below/d.png"}
    for given, found in (
        (str(folder / "a.png"), {"a.png"}),
        (folder, set(names)),
        (str(folder), set(names)),
        ([folder / "below", folder / "a.png"], {"below/d.png", "a.png"}),
        (str(folder / "*.png"), {"a.png", "b.png"}),
        (str(folder / "**" / "*.png"), pngs),
        (folder / "[ab].*", {"a.png", "b.png"}),
        (str(folder / "bel*"), {"below/d.png"}),
    ):
        predictions = list(model.predict(given))
        by_name = {Path(p.source).relative_to(folder).as_posix(): p.score for p in predictions if p.source}
        assert len(by_name) == len(predictions)
        assert by_name == {name: expected[name] for name in found}


def test_a_source_is_the_name_as_given(model: Model, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    given: list[Any] = ["a.png", Path("below/../a.png"), GREY, folder / "a.png", Image.open("a.png")]
    sources = [prediction.source for prediction in model.predict(given)]
    assert sources == ["a.png", "below/../a.png", None, str(folder / "a.png"), None]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(model: Model, tmp_path: Path) -> None:
    for name, pixels in (("part[1].png", COLOUR), ("part1.png", GREY)):
        Image.fromarray(pixels).save(tmp_path / name)
    assert scores(model, tmp_path / "part[1].png") == scores(model, COLOUR)


def test_lists_batches_and_iterators(model: Model) -> None:
    greys = [GREY, GREY[::-1], GREY[:, ::-1]]
    expected = [scores(model, image)[0] for image in greys]
    assert len(set(expected)) == 3
    assert scores(model, greys) == scores(model, tuple(greys)) == scores(model, iter(greys)) == expected
    assert scores(model, np.stack(greys)[..., np.newaxis]) == expected
    colours = np.stack([COLOUR, COLOUR[::-1]])
    assert scores(model, colours) == [scores(model, image)[0] for image in colours]
    # A batch may stand in a list beside images.
    assert scores(model, [GREY, colours]) == scores(model, GREY) + scores(model, colours)


def test_inputs_are_taken_one_by_one(model: Model) -> None:
    taken = []

    def images() -> Iterator[NDArray[Any]]:
        for number in range(3):
            taken.append(number)
            yield GREY

    predictions = model.predict(images())
    assert taken == []
    next(predictions)
    assert taken == [0]


@pytest.mark.parametrize(
    "same",
    [
        lambda image: image[..., np.newaxis] if image.ndim == 2 else image,
        np.asfortranarray,
        lambda image: image.astype(np.uint16) * 257,
        lambda image: (image / 255).astype(np.float32),
        lambda image: image / 255,
        lambda image: np.ma.masked_array(image, mask=np.zeros(image.shape, bool)),
        lambda image: image.view(Strange),
        lambda image: np.repeat(image, 2, axis=1)[:, ::2],
    ],
    ids=["channel", "order", "uint16", "float32", "float64", "masked array", "subclass", "strided"],
)
def test_the_same_numbers_in_another_array(
    same: Callable[[NDArray[Any]], NDArray[Any]], model: Model
) -> None:
    for image in (GREY, COLOUR):
        assert scores(model, same(image)) == scores(model, image)


class Strange(np.ndarray[Any, Any]):
    """An array whose arithmetic is not numpy's."""

    def __truediv__(self, other: Any) -> Any:
        return np.zeros_like(self)


def test_a_matrix_is_an_image(model: Model) -> None:
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.matrix(GREY)
    assert scores(model, matrix) == scores(model, GREY)


def test_colours_of_opencv(model: Model) -> None:
    assert scores(model, COLOUR[..., ::-1], color="bgr") == scores(model, COLOUR)
    assert scores(model, ALPHA[..., [2, 1, 0, 3]], color="bgr") == scores(model, ALPHA)
    assert scores(model, GREY, color="bgr") == scores(model, GREY)
    assert scores(model, np.stack([COLOUR[..., ::-1]] * 2), color="bgr") == scores(model, COLOUR) * 2


def test_files_and_pil_images_know_their_own_colours(model: Model, folder: Path) -> None:
    for image in (folder / "b.png", Image.fromarray(COLOUR)):
        assert scores(model, image, color="bgr") == scores(model, COLOUR)


def test_alpha_lies_over_black_as_in_a_file(model: Model, tmp_path: Path) -> None:
    Image.fromarray(ALPHA).save(tmp_path / "alpha.png")
    assert (
        scores(model, ALPHA)
        == scores(model, tmp_path / "alpha.png")
        == scores(model, [Image.fromarray(ALPHA)])
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.uint8])
def test_tensors(dtype: torch.dtype, model: Model) -> None:
    def tensor(image: NDArray[Any]) -> torch.Tensor:
        values = image if dtype == torch.uint8 else image / 255
        return torch.from_numpy(values).to(dtype)

    expected = scores(model, COLOUR)
    channels_first = tensor(COLOUR).permute(2, 0, 1)
    assert scores(model, channels_first) == expected
    assert scores(model, channels_first.contiguous()) == expected
    assert scores(model, channels_first.flip(0), color="bgr") == expected
    assert scores(model, torch.stack([channels_first] * 2)) == expected * 2
    assert scores(model, tensor(GREY)) == scores(model, tensor(GREY)[None]) == scores(model, GREY)


def test_tensors_of_a_training(model: Model) -> None:
    """With a gradient, and in a precision that numpy does not have."""
    levels = np.random.default_rng(0).integers(0, 9, (1, 40, 56)) / np.float32(8)
    tensor = torch.from_numpy(levels).requires_grad_()
    assert scores(model, tensor) == scores(model, tensor.bfloat16()) == scores(model, levels[0])


MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"]


def picture(mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(GREY.astype(np.uint16) * 200)
    if mode == "I":
        return Image.fromarray(GREY.astype(np.int32) * 200)
    if mode == "F":
        return Image.fromarray((GREY / 255).astype(np.float32))
    return Image.fromarray(ALPHA).convert(mode)


@pytest.mark.parametrize("mode", MODES)
def test_pil_images_are_read_as_their_files_are(mode: str, tmp_path: Path, model: Model) -> None:
    endings = {"CMYK": ".jpg", "F": ".tif", "I": ".pgm"}
    path = tmp_path / f"image{endings.get(mode, '.png')}"
    picture(mode).save(path)
    image = Image.open(path) if mode == "CMYK" else picture(mode)
    assert image.mode == mode
    assert scores(model, image) == scores(model, path)
    for channels in (1, 3):
        given = input_image(image).image
        np.testing.assert_array_equal(
            any_working_image(given, (32, 48), channels), any_working_image(path, (32, 48), channels)
        )
        np.testing.assert_array_equal(any_full_image(given, channels), any_full_image(path, channels))


def test_a_pil_image_is_turned_upright_as_its_file_is(tmp_path: Path, model: Model) -> None:
    for orientation in range(1, 9):
        path = tmp_path / f"{orientation}.jpg"
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(COLOUR).save(path, exif=exif)
        with Image.open(path) as image:
            assert scores(model, image) == scores(model, path)
            assert scores(model, ImageOps.exif_transpose(image)) == scores(model, path)


def test_one_image_alone(folder: Path) -> None:
    inspector = Inspector(HERE / "exported")
    expected = scores(inspector, GREY)[0]
    for image in (
        GREY,
        folder / "a.png",
        str(folder / "a.png"),
        Image.fromarray(GREY),
        torch.from_numpy(GREY),
    ):
        assert inspector.inspect(image).score == expected
    assert inspector.inspect(COLOUR[..., ::-1], color="bgr").score == scores(inspector, COLOUR)[0]


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.zeros((3, 40, 56), np.uint8), r"channels come first, give array.transpose\(1, 2, 0\)"),
        (np.zeros((9, 40, 56), np.uint8), r"batch of grey images is given as \(N, H, W, 1\)"),
        (np.zeros((2, 3, 40, 56), np.uint8), r"transpose\(0, 2, 3, 1\)"),
        (np.zeros((40, 56, 2), np.uint8), r"C 1, 3 or 4"),
        (np.zeros(40, np.uint8), r"\(40,\) is not an image"),
        (np.zeros((), np.uint8), r"\(\) is not an image"),
        (np.zeros((1, 2, 40, 56, 3), np.uint8), "is not an image"),
        (np.zeros((40, 56), np.int32), "int32"),
        (np.zeros((40, 56), np.complex64), "complex64"),
        (np.full((40, 56), 255.0), "between 0 and 1"),
        (np.ma.masked_array(GREY, mask=GREY > 120), "fill them"),
        (torch.zeros(40, 56, 3), r"\(C, H, W\) with C 1, 3 or 4"),
        (torch.full((1, 40, 56), 2.0), "between 0 and 1"),
        (torch.zeros(1, 40, 56, dtype=torch.int64), "int64"),
        (torch.zeros(1, 40, 56, device="meta"), "on meta cannot be used"),
        (torch.zeros(1, 40, 56).to_sparse(), "sparse.* give a dense one"),
        (torch.zeros(1, 40, 56, dtype=torch.complex64).conj(), "complex64"),
        (Image.new("LAB", (56, 40)), "mode LAB"),
        (Image.new("L", (4, 4)), "too small"),
        ("missing.png", "no such file"),
        ("missing/*.png", "no image or folder matches"),
        (7, "int is not an image: give a path, a folder"),
        (None, "give a path, a folder"),
        (b"a.png", "bytes is not an image"),
        ([[1, 2], [3, 4]], "list is not an image"),
        ([None], "NoneType is not an image"),
    ],
)
def test_what_is_accepted_is_said(image: Any, said: str, model: Model) -> None:
    with pytest.raises(ImageError, match=said):
        scores(model, image)


def test_a_nested_tensor_is_refused(model: Model) -> None:
    with pytest.raises(ImageError, match="nested tensor is not an image"):
        scores(model, torch.nested.nested_tensor([torch.zeros(40, 56)], layout=torch.jagged))


def test_a_folder_without_images(model: Model, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="there is no image in this folder"):
        scores(model, tmp_path)


def test_one_image_is_wanted(folder: Path) -> None:
    inspector = Inspector(HERE / "exported")
    with pytest.raises(
        ImageError, match=r"this is a folder, and one image is wanted; `predict` takes folders"
    ):
        inspector.inspect(folder)
    with pytest.raises(ImageError, match="batch, and one image is wanted; `predict` takes batches"):
        inspector.inspect(np.stack([COLOUR]))
    with pytest.raises(ImageError, match="no such file"):
        inspector.inspect(folder / "*.png")
    with pytest.raises(ImageError, match="list is not an image"):
        inspector.inspect([GREY])  # type: ignore[arg-type]


def test_an_unknown_order_of_colours(model: Model) -> None:
    with pytest.raises(SettingsError, match='color is \'gbr\': choose "rgb" or "bgr"'):
        scores(model, COLOUR, color="gbr")


def test_sizes_are_those_of_the_image_as_it_was_given(folder: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(COLOUR).save(tmp_path / "turned.jpg", exif=exif)
    given: list[Any] = [folder / "a.png", GREY, torch.from_numpy(COLOUR).permute(2, 0, 1), np.stack([COLOUR])]
    assert [image.size() for image in input_images(given)] == [(40, 56)] * 4
    assert input_image(tmp_path / "turned.jpg").size() == (56, 40)
    assert InputImage(GREY[:9], None).size() == (9, 56)


def test_tensors_are_recognised_without_torch() -> None:
    code = (
        "import sys, numpy; from excision.data.inputs import input_images; "
        "assert len(list(input_images(numpy.zeros((2, 9, 9, 3))))) == 2; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
