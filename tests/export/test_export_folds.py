"""Export of a model whose threshold comes from folds: its own scores of the images are too low for that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from excision import Detector
from excision.data import Dataset, Sample
from excision.errors import FewImagesWarning, ModelError
from excision.export.export import export
from excision.inspection.good_images import find_good_images, score_good_images
from excision.runtime.inspector import Inspector
from excision.runtime.verification import verify
from excision.settings import CalibrationSettings
from tests.conftest import draw_surface
from tests.method.recovery.test_training import TINY


@pytest.fixture(scope="module")
def surfaces(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("surfaces")
    samples = []
    for number in range(7):
        path = folder / f"{number}.png"
        Image.fromarray(draw_surface(number)).save(path)
        samples.append(Sample(path.name, path, "train", "good", None, path.name))
    return Dataset(folder, "images", tuple(samples))


@pytest.fixture(scope="module")
def run(surfaces: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("folds") / "run"
    settings = replace(TINY, calibration=CalibrationSettings(folds=2, groups="each"))
    with pytest.warns(FewImagesWarning):
        Detector(settings, device="cpu").fit(surfaces, folder)
    return folder


def test_the_backend_is_calibrated_on_out_of_fold_scores(
    surfaces: Dataset, run: Path, tmp_path: Path
) -> None:
    proof = export(run, surfaces, tmp_path / "model")
    inspector, detector = Inspector(tmp_path / "model"), Detector.load(run, device="cpu")
    before, after = detector.calibration, inspector.calibration
    assert (after.folds, after.names, after.groups) == (2, before.names, before.groups)
    np.testing.assert_allclose(after.scores, before.scores, rtol=1e-3)
    assert proof.verdicts_changed == 0 and proof.score_drift < 1e-3
    assert verify(inspector).verdicts_changed == 0
    # The model itself has seen every image, and none may set a threshold again.
    own = [detector.inspect(sample.image).score for sample in surfaces.samples]
    assert sorted(own) != pytest.approx(list(after.scores), rel=1e-2)
    good = score_good_images(inspector, find_good_images([surfaces.root]), lambda *_: None)
    assert good.trained_on == len(surfaces.samples) and not good.scores


def test_other_images_than_those_of_the_folds_are_refused(
    surfaces: Dataset, run: Path, tmp_path: Path
) -> None:
    fewer = replace(surfaces, samples=surfaces.samples[:-1])
    with pytest.raises(ModelError, match=r"6\.png is only in the run"):
        export(run, fewer, tmp_path / "model")
    assert not (tmp_path / "model").exists()
