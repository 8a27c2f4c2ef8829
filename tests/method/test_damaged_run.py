"""Run folders that are not what they should be: the same verdict, or one clear error, and no memory."""

from __future__ import annotations

import copy
import json
import resource
import struct
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w
import torch
from safetensors.torch import load_file, save_file

from excision.detector import Detector
from excision.errors import ModelError, SettingsError
from excision.method.run_folder import CALIBRATION, IMAGE_FORMAT, MODEL, SETTINGS, Model, load_model
from excision.settings import Settings
from tests.runtime.folders import FORMAT_1, IMAGE, changed

VALUES: tuple[Any, ...] = (None, True, "", -1, 0, 65, 0.5, 1e308, 10**30, 100_000, [], {}, [100_000, 100_000])
MOST_MEMORY = 256 * 2**10  # KiB


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.load(FORMAT_1 / "run", device="cpu")


@pytest.fixture
def run(detector: Detector, tmp_path: Path) -> Path:
    """Give a run folder of the present format."""
    detector.save(tmp_path / "run")
    return tmp_path / "run"


def score(folder: Path) -> float | None:
    """Load and inspect; gives None for one clear error."""
    try:
        found = Detector.load(folder, device="cpu")
    except ModelError as error:
        assert str(folder) in str(error) and len(str(error)) < 1000, error
        return None
    (prediction,) = found.predict([IMAGE])
    return prediction.score / prediction.threshold


def is_as_before(folder: Path, known: Model) -> bool:
    """Tell whether what is read means the same, as then do all verdicts: to inspect takes far longer."""
    try:
        found = load_model(folder)
    except ModelError:
        return False
    return (found.calibration, found.image_format) == (known.calibration, known.image_format)


@pytest.mark.parametrize("name", [CALIBRATION, IMAGE_FORMAT])
def test_a_changed_entry_is_seen_or_means_nothing(run: Path, name: str) -> None:
    whole, before, known = json.loads((run / name).read_text("utf-8")), score(run), load_model(run)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for path, value, content in changed(whole, VALUES):
        (run / name).write_text(json.dumps(content), "utf-8")
        assert is_as_before(run, known) or score(run) in (None, before), (path, value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < MOST_MEMORY


def test_absurd_settings_take_no_memory(run: Path) -> None:
    whole = tomllib.loads((run / SETTINGS).read_text("utf-8"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for section, name, value in [
        ("recovery", "width", 2**40),
        ("recovery", "width", 10**400),
        ("recovery", "depth", 7),
        ("recovery", "stem", 1),
        ("image", "size", [100_000, 100_000]),
        ("image", "size", [10**400, 10**400]),
        ("image", "tile", [2**31, 2**31]),
        ("mask", "patch", 1),
        ("attention", "variant", "plain"),
        ("recovery", "normalisation", "none"),
        ("score", "broad", 0.0),
        ("score", "relative", 0.0),
    ]:  # fmt: skip
        content = copy.deepcopy(whole)
        content.setdefault(section, {})[name] = value
        (run / SETTINGS).write_text(tomli_w.dumps(content), "utf-8")
        assert score(run) is None, (section, name, value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < MOST_MEMORY


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 100_000,
        "a = " + "{b = " * 50_000,
        "[" + ".".join("a" * 1000) + "]",
        "a = " + "9" * 5000,
        "[image]\nsize = [" + "1," * 100_000 + "1]",
        "[training]\nseed = 99999999999999999999",
        "[score]\nsmoothing = nan",
        "[score]\nsmoothing = inf",
        "#" * (2**20 + 1),
        "\xff\xfe",
    ],
)
def test_odd_toml_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / SETTINGS
    path.write_text(text, "latin-1")
    with pytest.raises(SettingsError, match=SETTINGS) as caught:
        Settings.load(path)
    assert len(str(caught.value)) < 1000


def with_one_more(tensors: dict[str, Any]) -> None:
    tensors["more"] = torch.zeros(3)


def with_flat_features(tensors: dict[str, Any]) -> None:
    tensors["scorer.network_distances.attention.means"] = torch.zeros(3)


def first(change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], None]:
    def apply(tensors: dict[str, Any]) -> None:
        name = next(name for name, tensor in tensors.items() if tensor.ndim == 4)
        tensors[name] = change(tensors[name].clone()).contiguous()

    return apply


@pytest.mark.parametrize(
    "change",
    [
        with_one_more,
        with_flat_features,
        first(lambda tensor: tensor[:-1]),
        first(lambda tensor: tensor[None]),
        first(lambda tensor: tensor.double()),
        first(lambda tensor: tensor.half()),
        first(lambda tensor: tensor.long()),
        first(lambda tensor: tensor * torch.nan),
    ],
)
def test_other_weights_are_refused(run: Path, change: Callable[[dict[str, Any]], None]) -> None:
    tensors = load_file(run / MODEL)
    change(tensors)
    save_file(tensors, run / MODEL, {"format": "2"})
    assert score(run) is None


def test_each_missing_weight_is_seen_or_means_nothing(run: Path) -> None:
    tensors, before = load_file(run / MODEL), score(run)
    lost = 0
    for name in sorted(tensors)[::3]:
        rest = {other: tensor for other, tensor in tensors.items() if other != name}
        save_file(rest, run / MODEL, {"format": "2"})
        found = score(run)
        assert found in (None, before), name
        lost += found is None
    assert lost > len(tensors) / 6  # the others count the batches of the training, which no verdict needs


def header(shape: str, end: int) -> bytes:
    """Give weights that are all header."""
    text = f'{{"a": {{"dtype": "F32", "shape": {shape}, "data_offsets": [0, {end}]}}}}'.encode()
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2**40) + b"{}",
        struct.pack("<Q", 90_000_000) + b"{}",
        struct.pack("<Q", 2) + b"{}",
        header("[100000, 100000, 100000]", 4 * 10**15),
        header("[4611686018427387904, 4]", 0),
        struct.pack("<Q", 100_000) + b"[" * 100_000,
        b"\x80\x04\x95" + bytes(100),
    ],
)  # fmt: skip
def test_a_header_that_lies_takes_no_memory(run: Path, content: bytes) -> None:
    (run / MODEL).write_bytes(content)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert score(run) is None
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < MOST_MEMORY
