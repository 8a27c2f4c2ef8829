"""The detector as one object: fit, predict, save, load."""

from __future__ import annotations

import json
import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from excision import Detector, Prediction, Settings
from excision.data import load_dataset
from excision.errors import DatasetError, FewImagesWarning, ImageError, ModelError, SettingsError
from excision.method.calibration import calibrate
from excision.method.run_folder import (
    CALIBRATION,
    CHECKPOINT,
    FINGERPRINT,
    IMAGE_FORMAT,
    MODEL,
    SETTINGS,
    TRAINING,
)
from tests.conftest import draw_surface

Images = list[NDArray[Any]]
_PLANES = ("anomaly_map", "attention", "mask", "image", "masked_image", "recovery")


def one(detector: Detector, image: NDArray[Any] | str | Path) -> Prediction:
    return next(detector.predict([image]))


def assert_same(first: Prediction, second: Prediction) -> None:
    assert first.score == second.score
    assert first.threshold == second.threshold
    for plane in _PLANES:
        np.testing.assert_array_equal(getattr(first, plane), getattr(second, plane))


def assert_same_weights(first: Detector, second: Detector) -> None:
    one, two = first.pipeline.state_dict(), second.pipeline.state_dict()
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert first.image_format == second.image_format
    assert first.calibration == second.calibration


def test_few_images_are_said_before_the_training(tiny: Settings, surfaces: Images) -> None:
    """Eight images hold out two, which can promise 33 %."""
    with pytest.warns(FewImagesWarning, match="2 independent groups .*on average 34 %"):
        Detector(tiny, device="cpu").fit(surfaces)
    wanted = replace(tiny, calibration=replace(tiny.calibration, false_alarm_rate=0.4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Detector(wanted, device="cpu").fit(surfaces)


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """A folder of eight good images."""
    folder = tmp_path / "parts" / "good"
    folder.mkdir(parents=True)
    for number in range(8):
        Image.fromarray(draw_surface(number)).save(folder / f"{number}.png")
    return folder.parent


def test_prediction_has_every_stage_at_the_working_size(fitted: Detector, scratched: NDArray[Any]) -> None:
    prediction = one(fitted, scratched)
    size = fitted.image_format.size
    assert size == (48, 32)  # multiples of 16 within 48 x 40
    for plane in ("anomaly_map", "attention"):
        assert getattr(prediction, plane).shape == size
        assert getattr(prediction, plane).dtype == np.float32
    for plane in ("image", "masked_image", "recovery"):
        values = getattr(prediction, plane)
        assert values.shape == (*size, 1) and values.dtype == np.float32
        assert values.min() >= 0 and values.max() <= 1
    assert prediction.mask.shape == size and prediction.mask.dtype == np.bool_
    assert prediction.anomaly_map.min() >= 0
    assert prediction.seconds > 0


def enlarged(cells: NDArray[Any], size: tuple[int, ...]) -> NDArray[Any]:
    """Linear interpolation between the centres of 8-pixel cells, by scipy."""
    places = [(np.arange(side) + 0.5) / 8 - 0.5 for side in size]
    inside = [at.clip(0, count - 1) for at, count in zip(places, cells.shape, strict=True)]
    grid = np.meshgrid(*inside, indexing="ij")
    larger: NDArray[Any] = ndimage.map_coordinates(cells, grid, order=1)
    return larger


def test_stages_of_a_prediction_fit_together(fitted: Detector, scratched: NDArray[Any]) -> None:
    prediction = one(fitted, scratched)
    mask = prediction.mask
    assert 0 < mask.mean() <= fitted.settings.mask.cap
    assert (prediction.masked_image[mask] == 0).all()
    np.testing.assert_array_equal(prediction.masked_image[~mask], prediction.image[~mask])
    np.testing.assert_array_equal(prediction.recovery[~mask], prediction.image[~mask])
    assert prediction.score == prediction.anomaly_map.max()
    # The map is how surprising the residual, in units of the usual, and the attention are together. The shown
    # recovery is cut to [0, 1]; the variance is not shown at all.
    working = torch.from_numpy(prediction.image).permute(2, 0, 1)[None]
    pipeline, score, size = fitted.pipeline, fitted.settings.score, mask.shape
    hole = torch.from_numpy(mask)[None, None]
    masked_image = torch.from_numpy(prediction.masked_image).permute(2, 0, 1)[None]
    with torch.no_grad():
        recovery = pipeline.recovery(masked_image, hole.float(), fitted.settings.recovery.skips("inference"))
    difference = ((working - recovery.mean) * hole)[0, 0].numpy()
    deviation = np.exp(recovery.log_variance[0, 0].numpy() / 2)
    # On blocks of 2 x 2 pixels, sigma is one block.
    weight, residual = (
        ndimage.gaussian_filter(
            plane.reshape(size[0] // 2, 2, size[1] // 2, 2).mean(axis=(1, 3)), 1, radius=3, mode="mirror"
        )
        for plane in (mask.astype(np.float64), np.where(mask, difference / deviation, 0))
    )
    broad = np.where(mask, np.kron(residual / weight.clip(1e-3), np.ones((2, 2))), 0)
    np.testing.assert_allclose(
        difference[mask], (prediction.image - prediction.recovery)[..., 0][mask], atol=0.2
    )
    cells = pipeline.cells(working)[0, 0].numpy().clip(0)

    def surprises(found: NDArray[Any], kind: int) -> NDArray[Any]:
        median, excess = pipeline.scorer.tails[kind].tolist()
        ordinary = np.log(2) * np.minimum(found / median, 1)
        sum_of_both: NDArray[Any] = ordinary + np.maximum((found - median) / excess, 0)
        return sum_of_both

    normal = pipeline.scorer.normal_residual[0].numpy()
    surprisal = np.maximum(surprises(difference**2 / normal[0], 0), surprises(broad**2 / normal[1], 1))
    beyond = np.maximum(surprisal + np.log(score.residual_truncation), 0)
    total = score.residual_weight * beyond + enlarged(surprises(cells, 2), mask.shape)
    np.testing.assert_allclose(prediction.anomaly_map, total, rtol=1e-3, atol=1e-4)


def test_verdict_is_defect_exactly_above_the_threshold(fitted: Detector, surfaces: Images) -> None:
    for prediction in fitted.predict(surfaces):
        at = replace(prediction, threshold=prediction.score)
        below = replace(prediction, threshold=np.nextafter(prediction.score, -1))
        assert (at.verdict, below.verdict) == ("good", "defect")
        assert prediction.threshold == fitted.threshold


def test_threshold_is_the_conformal_quantile_of_the_held_out_scores(
    fitted: Detector, surfaces: Images
) -> None:
    assert fitted.calibration is not None
    held_out = fitted.calibration.scores
    scores = [prediction.score for prediction in fitted.predict(surfaces)]
    assert 1 <= len(held_out) < len(surfaces)
    assert set(held_out) <= set(scores)
    again = calibrate(held_out, fitted.settings.calibration.false_alarm_rate, names=fitted.calibration.names)
    assert fitted.calibration == again


def test_score_is_the_same_alone_and_among_others(
    fitted: Detector, surfaces: Images, scratched: NDArray[Any]
) -> None:
    alone = one(fitted, scratched)
    among = list(fitted.predict([*surfaces, scratched, surfaces[0], scratched]))
    assert_same(alone, among[-1])
    assert_same(alone, among[-3])


def test_predict_is_lazy(fitted: Detector, surfaces: Images) -> None:
    asked = []

    def images() -> Any:
        for image in surfaces:
            asked.append(image)
            yield image

    next(fitted.predict(images()))
    assert len(asked) == 1


def test_arrays_and_paths_give_the_same(fitted: Detector, scratched: NDArray[Any], tmp_path: Path) -> None:
    path = tmp_path / "part.png"
    Image.fromarray(scratched).save(path)
    expected = one(fitted, scratched)
    assert_same(expected, one(fitted, path))
    assert_same(expected, next(fitted.predict(str(path))))
    assert_same(expected, next(fitted.predict(scratched)))
    assert_same(expected, one(fitted, scratched[..., None]))
    assert_same(expected, one(fitted, (scratched / np.float32(255)).astype(np.float32)))
    assert_same(expected, one(fitted, scratched.astype(np.uint16) * 257))


def test_colour_image_is_read_as_grey_by_a_grey_model(fitted: Detector, scratched: NDArray[Any]) -> None:
    colour = np.repeat(scratched[..., None], 3, axis=2)
    assert one(fitted, colour).score == pytest.approx(one(fitted, scratched).score, rel=1e-5)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((48, 40, 2), np.uint8),
        np.full((48, 40), np.nan, np.float32),
        np.full((48, 40), 200.0),
        np.zeros(48, np.uint8),
        None,
        "missing.png",
    ],
)
def test_what_is_no_image_is_refused(fitted: Detector, image: Any) -> None:
    with pytest.raises(ImageError):
        one(fitted, image)


def test_save_and_load_keep_every_bit(fitted: Detector, run: Path, scratched: NDArray[Any]) -> None:
    loaded = Detector.load(run, device="cpu")
    assert loaded.settings == fitted.settings
    assert_same_weights(loaded, fitted)
    assert_same(one(loaded, scratched), one(fitted, scratched))


def test_a_loaded_model_saves_the_same_files(run: Path, tmp_path: Path) -> None:
    Detector.load(run).save(tmp_path / "again")
    for name in (MODEL, SETTINGS, CALIBRATION):
        assert (tmp_path / "again" / name).read_bytes() == (run / name).read_bytes()


def test_same_seed_same_weights_other_seed_other_weights(tiny: Settings, surfaces: Images) -> None:
    first, second = (Detector(tiny).fit(surfaces) for _ in range(2))
    assert_same_weights(first, second)
    other = Detector(replace(tiny, training=replace(tiny.training, seed=1))).fit(surfaces)
    assert not torch.equal(
        first.pipeline.recovery.head.weight,
        other.pipeline.recovery.head.weight,
    )


def test_mask_threshold_leaves_the_budget_on_training_images(tiny: Settings, surfaces: Images) -> None:
    sized = replace(tiny, image=replace(tiny.image, size=(64, 64)))
    detector = Detector(replace(sized, mask=replace(sized.mask, budget=0.2, cap=0.9))).fit(surfaces)
    shares = [prediction.mask.mean() for prediction in detector.predict(surfaces)]
    # The held-out images are among them, so the budget is met about, not exactly.
    assert np.mean(shares) == pytest.approx(0.2, abs=0.06)


def test_colour(tiny: Settings) -> None:
    images = [draw_surface(number, channels=3) for number in range(4)]
    detector = Detector(tiny).fit(images)
    assert detector.image_format.channels == 3
    prediction = one(detector, images[0])
    assert prediction.recovery.shape[2] == 3 and prediction.anomaly_map.ndim == 2
    assert one(detector, images[0][..., 0]).image.shape[2] == 3


def test_without_mask(tiny: Settings, surfaces: Images, tmp_path: Path) -> None:
    detector = Detector(replace(tiny, mask=replace(tiny.mask, enabled=False))).fit(surfaces, tmp_path / "run")
    prediction = one(detector, surfaces[0])
    assert not prediction.mask.any()
    np.testing.assert_array_equal(prediction.masked_image, prediction.image)
    assert (prediction.anomaly_map > 0).mean() > 0.9
    assert_same(prediction, one(Detector.load(tmp_path / "run"), surfaces[0]))


def test_with_inference_changes_inference_alone(
    fitted: Detector, scratched: NDArray[Any], tmp_path: Path
) -> None:
    before = one(fitted, scratched)
    unmasked = fitted.with_inference(mask=False)
    assert not one(unmasked, scratched).mask.any()
    all_on = fitted.with_inference(skips="all")
    assert all_on.settings.recovery.inference_skips == "all"
    np.testing.assert_array_equal(one(all_on, scratched).mask, before.mask)
    assert one(all_on, scratched).score != before.score
    assert_same(one(fitted.with_inference(), scratched), before)
    assert_same(one(fitted, scratched), before)
    unmasked.save(tmp_path)
    assert Detector.load(tmp_path).image_format == fitted.image_format
    with pytest.raises(SettingsError, match="inference_skips"):
        fitted.with_inference(skips="9")


def test_recalibrating_on_the_same_images_changes_nothing(
    tiny: Settings, parts: Path, scratched: NDArray[Any]
) -> None:
    fitted = Detector(tiny, device="cpu").fit(parts)
    before = one(fitted, scratched)
    again = fitted.with_inference().recalibrate(parts)
    assert again.calibration == fitted.calibration
    assert_same(one(again, scratched), before)
    whole = fitted.with_inference(mask=False).recalibrate(parts)
    assert whole.calibration != fitted.calibration
    scores = sorted(one(whole, path).score for path in sorted((parts / "good").iterdir()))
    assert set(whole.calibration.scores if whole.calibration else ()) <= set(scores)


def test_an_unfitted_detector_says_so(tmp_path: Path) -> None:
    detector = Detector()
    for use in (
        lambda: detector.threshold,
        lambda: detector.pipeline,
        lambda: detector.save(tmp_path),
        lambda: list(detector.predict([np.zeros((48, 40), np.uint8)])),
    ):
        with pytest.raises(ModelError, match="fit it, or load"):
            use()
    assert not list(tmp_path.iterdir())


def test_a_stopped_fit_leaves_no_detector_that_finds_all_good(tiny: Settings, surfaces: Images) -> None:
    detector = Detector(tiny).fit(surfaces)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        detector.fit(surfaces, progress=stop)
    with pytest.raises(ModelError, match="no threshold"):
        one(detector, surfaces[0])


def test_unknown_device() -> None:
    for name in ("cuda:99", "abacus"):
        with pytest.raises(SettingsError, match=name):
            Detector(device=name)


def test_fit_refuses_what_it_cannot_learn_from(tiny: Settings, surfaces: Images, tmp_path: Path) -> None:
    detector = Detector(tiny)
    with pytest.raises(DatasetError, match="no normal training images"):
        detector.fit([])
    with pytest.raises(DatasetError, match="too few"):
        detector.fit(surfaces[:1])
    with pytest.raises(DatasetError, match="some images are arrays"):
        detector.fit([surfaces[0], tmp_path / "a.png"])
    with pytest.raises(DatasetError, match="none of the 2"):
        detector.fit([tmp_path / "a.png", tmp_path / "b.png"])
    with pytest.raises(ImageError, match="image 1 of"):
        detector.fit([surfaces[0], np.zeros(30, np.uint8)])


def test_fit_takes_a_data_set_its_path_or_the_paths_of_images(tiny: Settings, parts: Path) -> None:
    dataset = load_dataset(parts)
    detector = Detector(tiny).fit(dataset)
    assert_same_weights(detector, Detector(tiny).fit(parts))
    paths = sorted((parts / "good").iterdir())
    assert Detector(tiny).fit(paths).image_format.channels == 1


def test_run_folder_records_what_was_done(tiny: Settings, parts: Path, tmp_path: Path) -> None:
    images = parts / "good"
    (images / "broken.png").write_bytes(b"\x89PNG no more")
    (images / "empty.png").write_bytes(b"")
    run = tmp_path / "run"
    detector = Detector(tiny).fit(sorted(images.iterdir()), run)
    assert Settings.load(run / SETTINGS) == detector.settings
    facts = json.loads((run / TRAINING).read_text())
    assert facts["n_training"] + facts["n_calibration"] == 8
    assert set(facts["skipped"]) == {str(images / "broken.png"), str(images / "empty.png")}
    assert facts["peak_memory_mb"] > 50 and facts["cores"] >= 1
    fingerprint = json.loads((run / FINGERPRINT).read_text())
    assert len(fingerprint["training"]) == facts["n_training"]
    assert len(fingerprint["calibration"]) == facts["n_calibration"]
    assert not (run / CHECKPOINT).exists()
    assert not [path for path in run.iterdir() if path.name.startswith(".")]


def test_a_run_that_recorded_no_groups_is_resumed(tiny: Settings, parts: Path, tmp_path: Path) -> None:
    """Runs of older versions did not record groups: theirs are those that the data set states."""
    run = tmp_path / "run"
    Detector(tiny).fit(parts, run)
    fingerprint = json.loads((run / FINGERPRINT).read_text())
    assert fingerprint.pop("groups").keys() == {*fingerprint["training"], *fingerprint["calibration"]}
    (run / FINGERPRINT).write_text(json.dumps(fingerprint))
    assert Detector(tiny).fit(parts, run, resume=True).calibration == Detector.load(run).calibration
    for damaged in ('{"groups": 1}', '{"groups": {"a.png": 1}}', "[]"):
        (run / FINGERPRINT).write_text(damaged)
        with pytest.raises(ModelError, match="these are not the images of a run"):
            Detector(tiny).fit(parts, run, resume=True)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (MODEL, None),
        (MODEL, b"no weights"),
        (MODEL, b""),
        (SETTINGS, None),
        (SETTINGS, b"mask = 3\n"),
        (SETTINGS, b"\xff\xfe"),
        (CALIBRATION, None),
        (CALIBRATION, b"{"),
        (CALIBRATION, b"[]"),
        (CALIBRATION, b"{}"),
        (CALIBRATION, b'{"threshold": "low", "wanted_rate": 1, "promised_rate": 1, "scores": []}'),
        (IMAGE_FORMAT, None),
        (IMAGE_FORMAT, b'{"size": [48, 32], "channels": 2, "tiling": null}'),
        (IMAGE_FORMAT, b'{"size": [48], "channels": 1, "tiling": null}'),
    ],
)
def test_damaged_run_folder(run: Path, tmp_path: Path, name: str, content: bytes | None) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(run, folder)
    (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match="damaged"):
        Detector.load(folder)


def test_truncated_weights(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cut"
    shutil.copytree(run, folder)
    (folder / MODEL).write_bytes((run / MODEL).read_bytes()[:-100])
    with pytest.raises(ModelError, match=str(folder)):
        Detector.load(folder)


def test_weights_of_another_network(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    shutil.copytree(run, folder)
    settings = Settings.load(folder / SETTINGS)
    replace(settings, recovery=replace(settings.recovery, width=8)).save(folder / SETTINGS)
    with pytest.raises(ModelError, match="do not belong together"):
        Detector.load(folder)


def test_folders_that_hold_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such folder"):
        Detector.load(tmp_path / "nowhere")
    with pytest.raises(ModelError, match="not a run folder"):
        Detector.load(tmp_path)
    Settings().save(tmp_path / SETTINGS)
    with pytest.raises(ModelError, match="--resume"):
        Detector.load(tmp_path)


def test_weights_that_went_astray_give_no_verdict(run: Path, scratched: NDArray[Any]) -> None:
    detector = Detector.load(run)
    with torch.no_grad():
        detector.pipeline.recovery.get_parameter("head.bias").fill_(float("nan"))
    with pytest.raises(ModelError, match="not finite"):
        one(detector, scratched)


def test_training_that_goes_astray_says_so(tiny: Settings, surfaces: Images) -> None:
    wild = replace(tiny, training=replace(tiny.training, learning_rate=1e30, steps=8))
    with pytest.raises(ModelError, match=r"learning_rate|diverged"):
        Detector(wild).fit(surfaces)
