"""Settings: kept as TOML without loss, refused with the name of what is wrong."""

from __future__ import annotations

import dataclasses
import json
import re
import tempfile
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from excision.errors import SettingsError
from excision.settings import (
    AnomalyMapKind,
    AttentionSettings,
    AttentionVariant,
    CalibrationSettings,
    EvidenceKind,
    Fill,
    ImageSettings,
    LossSettings,
    MaskSettings,
    Normalisation,
    Precision,
    RecoverySettings,
    ScoreSettings,
    Settings,
    TrainingSettings,
)
from excision.settings.reference import list_settings, settings_table

OPEN_SHARE = st.floats(0.01, 0.99)
SIDE = st.integers(256, 2000)
WEIGHT = st.floats(0, 10)


@st.composite
def masks(draw: st.DrawFn) -> MaskSettings:
    budget, cap = sorted((draw(OPEN_SHARE), draw(OPEN_SHARE)))
    return MaskSettings(
        draw(st.booleans()), draw(st.integers(1, 16)), budget, cap, draw(st.sampled_from(get_args(Fill)))
    )


@st.composite
def recoveries(draw: st.DrawFn) -> RecoverySettings:
    depth = draw(st.integers(2, 5))
    levels = st.lists(st.integers(1, depth - 1), min_size=1).map(lambda some: ",".join(map(str, some)))
    skips = st.sampled_from(("all", "none", "deep")) | levels
    return RecoverySettings(
        draw(st.integers(1, 64)),
        draw(st.sampled_from((1, 2, 4))),
        depth,
        draw(st.sampled_from(get_args(Normalisation))),
        draw(skips),
        draw(skips),
        draw(st.floats(0, 1)),
    )


ANY = st.builds(
    Settings,
    image=st.builds(
        ImageSettings, size=st.none() | st.tuples(SIDE, SIDE), channels=st.sampled_from((None, 1, 3))
    ),
    attention=st.builds(
        AttentionSettings,
        variant=st.sampled_from(get_args(AttentionVariant)),
        pretrained=st.booleans(),
        tuning=st.integers(0, 10**5),
        pretraining_weight=st.integers(0, 1000),
        relative=st.booleans(),
    ),
    mask=masks(),
    recovery=recoveries(),
    loss=st.builds(
        LossSettings,
        nll=st.floats(0.1, 10),
        l2=WEIGHT,
        ssim=WEIGHT,
        msgms=WEIGHT,
        hole_weight=st.floats(1, 100),
    ),
    score=st.builds(
        ScoreSettings,
        map=st.sampled_from(get_args(AnomalyMapKind)),
        smoothing=st.floats(0, 9),
        evidence=st.sampled_from(get_args(EvidenceKind)),
        broad=st.floats(0, 9),
        residual_weight=st.floats(0, 10),
        residual_truncation=st.floats(1e-6, 1),
        inside_mask=st.booleans(),
        top=st.floats(0, 1),
    ),
    training=st.builds(
        TrainingSettings,
        steps=st.integers(1, 10**6),
        batch=st.integers(1, 64),
        crop=st.integers(32, 512),
        learning_rate=st.floats(1e-8, 1),
        seed=st.integers(0, 2**63 - 1),
        precision=st.sampled_from(get_args(Precision)),
        cache_mb=st.integers(0, 10**5),
        checkpoint_every=st.integers(1, 1000),
    ),
    calibration=st.builds(CalibrationSettings, false_alarm_rate=OPEN_SHARE, holdout=OPEN_SHARE),
)


@given(settings=ANY)
def test_toml_keeps_every_setting(settings: Settings) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "settings.toml"
        settings.save(path)
        assert Settings.load(path) == settings


def load(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "settings.toml"
    path.write_text(text, "utf-8")
    return Settings.load(path)


def test_what_a_file_leaves_out_takes_its_default(tmp_path: Path) -> None:
    assert load(tmp_path, "") == Settings()
    changed = load(tmp_path, "[mask]\nbudget = 0.2\n[loss]\nl2 = 1\n[image]\nsize = [64, 96]\n")
    assert changed.mask == MaskSettings(budget=0.2)
    assert changed.loss == LossSettings(l2=1.0)
    assert changed.image.size == (64, 96)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[masc]\n", "masc"),
        ("mask = 3\n", "mask"),
        ("[mask]\nbudgett = 0.1\n", "mask.budgett"),
        ('[mask]\nbudget = "much"\n', "mask.budget"),
        ("[mask]\nbudget = nan\n", "mask.budget"),
        ("[mask]\nbudget = 1.5\n", "mask.budget"),
        ("[mask]\nbudget = 0.5\ncap = 0.4\n", "mask.cap"),
        ("[mask]\npatch = 0\n", "mask.patch"),
        ("[mask]\npatch = 8.0\n", "mask.patch"),
        ("[mask]\nenabled = 1\n", "mask.enabled"),
        ('[mask]\nfill = "gold"\n', "mask.fill"),
        ("[image]\nsize = 64\n", "image.size"),
        ("[image]\nsize = [64]\n", "image.size"),
        ("[image]\nsize = [64, 64.5]\n", "image.size"),
        ("[image]\nsize = [64, 8]\n", "image.size"),
        ("[image]\nchannels = 2\n", "image.channels"),
        ('[attention]\nvariant = "best"\n', "attention.variant"),
        ("[recovery]\ndepth = 1\n", "recovery.depth"),
        ("[recovery]\nwidth = 0\n", "recovery.width"),
        ("[recovery]\nwidth = true\n", "recovery.width"),
        ('[recovery]\nnormalisation = "layer"\n', "recovery.normalisation"),
        ('[recovery]\ninference_skips = "4"\n', "recovery.inference_skips"),
        ("[recovery]\nreplay = 2\n", "recovery.replay"),
        ("[loss]\nnll = 0\n", "loss"),
        ("[loss]\nl2 = -1\n", "loss"),
        ("[loss]\nl2 = inf\n", "loss.l2"),
        ("[loss]\nhole_weight = 0.5\n", "loss.hole_weight"),
        ('[score]\nmap = "l1"\n', "score.map"),
        ("[score]\nsmoothing = inf\n", "score.smoothing"),
        ("[score]\ntop = -0.1\n", "score.top"),
        ("[training]\nsteps = 0\n", "training.steps"),
        ("[training]\nseed = -1\n", "training.seed"),
        ("[training]\ncrop = 8\n", "training.crop"),
        ("[training]\nlearning_rate = 0\n", "training.learning_rate"),
        ("[training]\ncache_mb = -1\n", "training.cache_mb"),
        ("[calibration]\nfalse_alarm_rate = 1\n", "calibration.false_alarm_rate"),
        ("[calibration]\nholdout = 0\n", "calibration.holdout"),
        ("[mask\n", "TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_and_the_setting(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    assert str(tmp_path / "settings.toml") in str(caught.value)
    assert named in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml: cannot be opened \(No such file or directory\)$"):
        Settings.load(tmp_path / "none.toml")


def invalid(section: type, **values: Any) -> Any:
    """A section with values that its types forbid, as a caller without a type checker writes it."""
    return section(**values)


@pytest.mark.parametrize(
    ("section", "value", "named"),
    [
        (
            "mask",
            invalid(MaskSettings, fill="gold"),
            'mask.fill is \'gold\': it must be "zero" or "mean" or "mosaic"',
        ),
        ("image", invalid(ImageSettings, channels=2), "image.channels is 2: it must be 1 or 3"),
        ("score", invalid(ScoreSettings, map="l1"), "score.map"),
        ("recovery", invalid(RecoverySettings, normalisation="layer"), "recovery.normalisation"),
        (
            "training",
            invalid(TrainingSettings, steps=2.0),
            "training.steps is 2.0: it must be a whole number",
        ),
    ],
)
def test_wrong_choices_from_python_are_refused_too(section: str, value: Any, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        Settings(**{section: value})


def test_an_image_too_small_for_what_is_asked_is_refused() -> None:
    small = ImageSettings(size=(32, 32))
    with pytest.raises(SettingsError, match=r"recovery\.depth is 6"):
        Settings(small, recovery=RecoverySettings(depth=6))
    with pytest.raises(SettingsError, match=r"mask\.patch is 32"):
        Settings(small, mask=MaskSettings(patch=32))
    assert Settings(small, mask=MaskSettings(patch=32, enabled=False)).image == small
    assert Settings(ImageSettings(size=(32, 64)), recovery=RecoverySettings(depth=6)).recovery.depth == 6


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().mask.budget = 0.5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "depth", "switches"),
    [
        ("all", 4, (True, True, True)),
        ("none", 4, (False, False, False)),
        ("deep", 4, (False, False, True)),
        ("deep", 6, (False, False, True, True, True)),
        # The deepest skip stays on, however few there are.
        ("deep", 3, (False, True)),
        ("deep", 2, (True,)),
        ("2", 4, (False, True, False)),
        ("3, 1", 4, (True, False, True)),
        ("1,1", 3, (True, False)),
    ],
)
def test_skips(text: str, depth: int, switches: tuple[bool, ...]) -> None:
    settings = RecoverySettings(depth=depth, training_skips="none", inference_skips=text)
    assert settings.skips("inference") == switches
    assert settings.skips("training") == (False,) * (depth - 1)


@pytest.mark.parametrize("text", ["", "deepest", "0", "4", "-1", "1,", "1;2", "1.0"])
@pytest.mark.parametrize("phase", ["training", "inference"])
def test_unknown_skips_say_what_may_be_written(text: str, phase: str) -> None:
    with pytest.raises(SettingsError, match=rf'recovery\.{phase}_skips is "{text}".*from 1 to 3'):
        invalid(RecoverySettings, depth=4, **{f"{phase}_skips": text})


def test_the_documentation_lists_every_setting() -> None:
    page = (Path(__file__).parents[1] / "docs" / "settings.md").read_text("utf-8")
    assert settings_table() in page, "put in what `python -m excision.settings.reference` prints"


def test_the_table_shows_every_setting_with_its_default_and_whom_it_is_for() -> None:
    rows = dict(re.findall(r"^\| `(\w+\.\w+)` \| (.+?) \|", settings_table(), re.MULTILINE))
    expected = {
        f"{section}.{name}": "derived" if value is None else json.dumps(value)
        for section, values in dataclasses.asdict(Settings()).items()
        for name, value in values.items()
    }
    assert rows == expected
    assert "| `mask.budget` | 0.04 | Share of cells" in settings_table()
    assert "| `mask.cap` | 0.3 | *Advanced.* Largest share of cells" in settings_table()
    assert "| `loss.l2` | 0.0 | *For experiments.* Weight of the squared error. |" in settings_table()


def test_every_setting_is_described_whole() -> None:
    """A description ends with a full stop, however many lines of the docstring it takes."""
    for setting in list_settings():
        assert setting.description.endswith("."), setting.full_name
        assert "  " not in setting.description
    tuning = next(each for each in list_settings() if each.full_name == "attention.pretraining_weight")
    assert "weight / (weight + images) of the tuning images" in tuning.description


def test_settings_of_experiments_are_those_that_change_the_method() -> None:
    marked = {each.full_name for each in list_settings() if each.audience == "experiments"}
    assert {
        "attention.pretrained",
        "mask.enabled",
        "recovery.normalisation",
        "loss.l2",
        "loss.ssim",
        "loss.msgms",
        "score.map",
        "score.smoothing",
        "score.top",
        "score.inside_mask",
        "score.evidence",
    } <= marked
    everyone = {each.full_name for each in list_settings() if each.audience == "everyone"}
    assert {"image.size", "training.steps", "calibration.false_alarm_rate"} <= everyone
