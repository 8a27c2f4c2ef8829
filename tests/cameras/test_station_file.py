from __future__ import annotations

from pathlib import Path

import pytest

from excision.cameras.folder import FolderSettings
from excision.cameras.genicam import GenicamSettings
from excision.errors import SettingsError
from excision.station.station_file.file import read_station_file


def test_cameras_are_read_from_the_file_of_a_station(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_text(
        '[cameras.front]\nkind = "genicam"\nexposure_us = 500\nregion = [0, 0, 64, 64]\n'
        "features = { GammaEnable = true, BlackLevel = 4 }\n"
        '[cameras.folder]\npath = "line"\nloop = true\n'
    )
    cameras = read_station_file(path).below("cameras")
    assert cameras["front"] == GenicamSettings(
        exposure_us=500.0, region=(0, 0, 64, 64), features={"GammaEnable": True, "BlackLevel": 4}
    )
    assert cameras["folder"] == FolderSettings(path=tmp_path / "line", loop=True)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            'kind = "genicam"\nexposure = 5',
            r"\[cameras.front\] exposure is unknown: did you mean",
        ),
        ('kind = "webcam"', r"\[cameras.front\] kind is 'webcam'"),
        ('kind = "folder"', r"\[cameras.front\] path is missing"),
        ('kind = "folder"\npath = "x"\nbuffer = 0', r"\[cameras.front\] buffer is 0"),
        ('kind = "genicam"\npixel_format = "Mono9"', r"\[cameras.front\] pixel_format: .* Mono9 is unknown"),
    ],
)
def test_what_is_wrong_names_the_table_and_the_key(tmp_path: Path, table: str, said: str) -> None:
    path = tmp_path / "station.toml"
    path.write_text(f"[cameras.front]\n{table}\n")
    with pytest.raises(SettingsError, match=said):
        read_station_file(path)
