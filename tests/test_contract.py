"""scikit-learn's contract of an estimator, by its own checks where they need no table of features."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.base import clone
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import check_get_params_invariance, check_parameters_default_constructible

from excision import Detector, Settings
from excision.baselines import baseline
from excision.errors import ModelError, SettingsError
from excision.settings import TrainingSettings

from .conftest import draw_surface
from .test_detector import assert_same, assert_same_weights, one

Images = list[NDArray[Any]]


@pytest.fixture(scope="module")
def colour() -> Images:
    """Larger images than the grey ones, and in colour."""
    return [draw_surface(number, size=(72, 56), channels=3) for number in range(6)]


def test_fitting_twice_is_fitting_once(tiny: Settings, surfaces: Images, colour: Images) -> None:
    twice, once = Detector(tiny, device="cpu").fit(surfaces), Detector(tiny, device="cpu")
    assert (twice.image_format.size, twice.image_format.channels) == ((48, 32), 1)
    twice.fit(colour)
    once.fit(colour)
    assert twice.settings == once.settings == tiny
    assert (twice.image_format.size, twice.image_format.channels) == ((64, 48), 3)
    assert_same_weights(twice, once)
    assert_same(one(twice, colour[0]), one(once, colour[0]))


def test_fitting_what_was_loaded_is_fitting_anew(
    tiny: Settings, surfaces: Images, colour: Images, tmp_path: Any
) -> None:
    Detector(tiny, device="cpu").fit(surfaces).save(tmp_path)
    loaded = Detector.load(tmp_path, device="cpu").fit(colour)
    assert_same_weights(loaded, Detector(tiny, device="cpu").fit(colour))


def test_a_baseline_too_forgets_the_fit_before(tiny: Settings, surfaces: Images, colour: Images) -> None:
    kind = baseline("ae")
    twice, once = kind(tiny, device="cpu").fit(surfaces).fit(colour), kind(tiny, device="cpu").fit(colour)
    assert twice.settings == tiny and twice.image_format == once.image_format
    assert twice.threshold == once.threshold
    assert next(twice.predict(colour[0])).score == next(once.predict(colour[0])).score


def test_a_loaded_detector_has_the_parameters_of_its_run(fitted: Detector, tmp_path: Any) -> None:
    fitted.save(tmp_path)
    loaded = Detector.load(tmp_path, device="cpu")
    kept = fitted.settings
    assert loaded.settings == kept and clone(loaded).settings == kept
    changed = loaded.set_params(steps=7).settings
    assert changed == replace(kept, training=replace(kept.training, steps=7)) != kept


@pytest.mark.parametrize("check", [check_parameters_default_constructible, check_get_params_invariance])
def test_checks_of_scikit_learn(check: Any) -> None:
    check("Detector", Detector())


def test_parameters_are_given_back_as_they_were_given(tiny: Settings) -> None:
    given = {"settings": tiny, "device": "cpu", "size": (64, 48), "steps": 7, "false_alarm_rate": 0.005}
    detector = Detector(**given)  # type: ignore[arg-type]  # as scikit-learn calls it
    assert {name: value for name, value in detector.get_params().items() if value is not None} == given
    assert all(detector.get_params()[name] is value for name, value in given.items())
    assert detector.settings.image.size == (64, 48) and detector.settings.training.steps == 7
    assert detector.settings.calibration.false_alarm_rate == 0.005
    assert detector.settings.recovery == tiny.recovery


def test_a_clone_is_an_unfitted_twin(fitted: Detector, surfaces: Images) -> None:
    twin = clone(fitted)
    assert twin.get_params() == fitted.get_params() and twin.settings == fitted.settings
    for call in (lambda: twin.threshold, lambda: one(twin, surfaces[0]), lambda: twin.pipeline):
        with pytest.raises(ModelError, match="fit it"):
            call()
    with pytest.raises(ModelError, match="fit it"):
        twin.predict(surfaces[0])  # which is lazy, but not in this
    assert_same_weights(twin.fit(surfaces), fitted)


def test_parameters_can_be_set_for_the_next_fit(fitted: Detector, scratched: NDArray[Any]) -> None:
    detector = copy.copy(fitted)
    before = one(detector, scratched)
    assert detector.set_params(size=(32, 32), seed=5) is detector
    assert (detector.settings.image.size, detector.settings.training.seed) == ((32, 32), 5)
    assert_same(one(detector, scratched), before)
    with pytest.raises(
        ValueError, match="no parameter colour, shape; its parameters are settings, device, size"
    ):
        detector.set_params(shape=(32, 32), colour=True, size=(64, 64))
    with pytest.raises(SettingsError, match=r"training\.steps is 0"):
        detector.set_params(steps=0, size=(64, 64))
    assert detector.settings.image.size == (32, 32), "a call that is refused changes nothing"


def test_scores_follow_the_signs_of_an_outlier_detector(
    fitted: Detector, surfaces: Images, scratched: NDArray[Any]
) -> None:
    images = [*surfaces, scratched]
    scores = np.array([found.score for found in fitted.predict(images)])
    samples, decisions = fitted.score_samples(images), fitted.decision_function(images)
    assert samples.shape == decisions.shape == (9,) and samples.dtype == np.float64
    np.testing.assert_array_equal(samples, -scores)
    np.testing.assert_array_equal(decisions, samples - fitted.offset_)
    defective = [found.verdict == "defect" for found in fitted.predict(images)]
    np.testing.assert_array_equal(decisions < 0, defective)
    np.testing.assert_array_equal(fitted.score_samples(np.stack(images)[..., None]), samples)


def test_scikit_learn_is_told_what_kind_it_is() -> None:
    tags = get_tags(Detector())
    assert tags.estimator_type == "outlier_detector" and not tags.target_tags.required


def test_a_fitted_detector_can_be_pickled(fitted: Detector, scratched: NDArray[Any]) -> None:
    assert_same(one(pickle.loads(pickle.dumps(fitted)), scratched), one(fitted, scratched))


def test_short_repr(fitted: Detector) -> None:
    assert (
        repr(Detector(size=(64, 48), false_alarm_rate=0.01))
        == "Detector(size=(64, 48), false_alarm_rate=0.01)"
    )
    several = Settings(training=TrainingSettings(steps=3, batch=2, crop=64, seed=1))
    told = "training.steps=3, training.batch=2, training.crop=64, and 1 more"
    assert repr(Detector(several, "cpu")) == f"Detector(settings=<{told}>, device='cpu')"
    text = repr(fitted)
    assert (
        text.endswith(f"fitted to 48 x 32 grey images, threshold {fitted.threshold:.4g}>") and len(text) < 250
    )


def test_one_image(fitted: Detector, scratched: NDArray[Any]) -> None:
    assert_same(fitted.inspect(scratched), one(fitted, scratched))
    coloured = np.stack([scratched] * 3, axis=2)
    assert fitted.inspect(coloured, color="bgr").score == fitted.inspect(coloured).score


def test_a_single_setting_goes_before_the_settings(tiny: Settings) -> None:
    longer = replace(tiny, training=replace(tiny.training, steps=50))
    assert Detector(longer, steps=3).settings.training == replace(tiny.training, steps=3)
    with pytest.raises(SettingsError, match="give one of the two"):
        Detector(size=(64, 64), tile=(128, 128))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"settings": (64, 64)}, r"settings is \(64, 64\).*size=\(H, W\)"),
        ({"size": 64}, r"image\.size is 64: it must be 2 whole numbers"),
        ({"steps": "many"}, r"training\.steps is 'many': it must be a whole number"),
        ({"false_alarm_rate": "1%"}, r"calibration\.false_alarm_rate is '1%'"),
    ],
)
def test_parameters_of_a_wrong_type_are_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Detector(**wrong)


def test_a_size_may_be_a_list() -> None:
    assert Detector(size=[64, 48]).settings.image.size == (64, 48)  # type: ignore[arg-type]  # from JSON


def test_normal_images_may_come_in_any_form(tiny: Settings, surfaces: Images) -> None:
    few = surfaces[:4]
    whole = Detector(tiny, device="cpu").fit(few)
    grey, batch = np.stack(few), np.stack(few)[..., None]
    for images in (grey, batch, [Image.fromarray(each) for each in few], tuple(few)):
        assert_same_weights(Detector(tiny, device="cpu").fit(images), whole)
