"""The file of a fleet: defaults, settings under their standard names, patterns, and mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from excision.errors import SettingsError
from excision.fleet.plan import FleetModel, read_fleet


def write(folder: Path, text: str) -> Path:
    path = folder / "fleet.toml"
    path.write_text(text, "utf-8")
    return path


def test_settings_of_defaults_file_and_model(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text("[training]\nsteps = 7\nbatch = 3\n", "utf-8")
    file = write(
        tmp_path,
        """
[defaults]
settings = "base.toml"
false_alarm_rate = 0.005
size = [64, 48]
[defaults.mask]
fill = "mean"

[models.one]
data = "one/good"
groups = "time:60s"
defects = ["known", "/elsewhere/more"]
steps = 9
[models.one.training]
crop = 32

[models.two]
data = "s3://plant/two"
test = "labelled"
size = [128, 128]
few = true
drop_suspects = true
""",
    )
    one, two = read_fleet(file)
    assert (one.name, one.data) == ("one", str(tmp_path / "one" / "good"))
    assert one.defects == (str(tmp_path / "known"), "/elsewhere/more")
    assert one.settings.image.size == (64, 48)
    assert (one.settings.training.steps, one.settings.training.batch, one.settings.training.crop) == (
        9,
        3,
        32,
    )
    assert one.settings.calibration.groups == "time:60s"
    assert one.settings.calibration.false_alarm_rate == two.settings.calibration.false_alarm_rate == 0.005
    assert one.settings.mask.fill == "mean"
    assert (two.data, two.test) == ("s3://plant/two", str(tmp_path / "labelled"))
    assert two.settings.image.size == (128, 128)
    assert (two.few, two.drop_suspects, one.few) == (True, True, False)
    assert [FleetModel.from_json(each.to_json()).settings for each in (one, two)] == [
        one.settings,
        two.settings,
    ]


def test_a_pattern_is_a_model_for_each_folder(tmp_path: Path) -> None:
    for name in ("berlin/cam1/good", "berlin/cam2/good", "ulm/cam1/good", "ulm/cam1/bad", "Köln 2/cam1/good"):
        (tmp_path / "plants" / name).mkdir(parents=True)
    (tmp_path / "plants" / "note.txt").write_text("x")
    models = read_fleet(write(tmp_path, '[models.line]\ndata = "plants/*/cam*/good"\n'))
    assert [model.name for model in models] == [
        "line-K_ln_2-cam1",
        "line-berlin-cam1",
        "line-berlin-cam2",
        "line-ulm-cam1",
    ]
    assert models[3].data == str(tmp_path / "plants" / "ulm" / "cam1" / "good")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no model"),
        ("[models.a]\n", "there is no data"),
        ("[model.a]\ndata='x'\n", "model is unknown"),
        ("[models.a]\ndata='x'\nstep=3\n", "step is unknown"),
        ("[models.a]\ndata='x'\nsteps='3'\n", "models.a: training.steps is '3'"),
        ("[models.a]\ndata='x'\nmask={fil='mean'}\n", "mask.fil is unknown"),
        ("[models.a]\ndata=3\n", "data is 3: it must be text"),
        ("[models.a]\ndata='x'\ndefects='known'\n", "it must be a list of paths"),
        ("[models.a]\ndata='x'\nfew=1\n", "it must be true or false"),
        ("[models.a]\ndata='none/*/good'\n", "no folder matches"),
        ("[models.a]\ndata='**/good'\n", "write a * for each folder"),
        ("[models.'a/b']\ndata='x'\n", "a/b cannot be the name of a run folder"),
        ("[models.earlier]\ndata='x'\n", "earlier cannot be the name"),
        ("[models.a]\ndata='x'\n[models.A]\ndata='y'\n", "two models of the name A"),
        ("[models]\na='x'\n", "models.a: must be a table"),
        ("[defaults]\nsettings='none.toml'\n[models.a]\ndata='x'\n", "none.toml: cannot be opened"),
        ("[models.a\n", "cannot be read as TOML"),
    ],
)
def test_mistakes_are_named(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        read_fleet(write(tmp_path, text))
    assert said in str(error.value)
    assert "toml" in str(error.value)
