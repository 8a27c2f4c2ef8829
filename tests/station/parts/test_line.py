"""A trigger that asks two cameras is one part: its report says what the code of one view says."""

from __future__ import annotations

from pathlib import Path

import pytest

from excision.station.line.line import Line
from excision.station.line.settings import LineSettings
from excision.station.parts.settings import PartsSettings
from excision.station.station import Station, StationSettings
from excision.station.station_file.file import StationFile
from excision.station.store.query import Query
from tests.station.lines import Listener, folder_camera
from tests.station.parts.pictures import with_code

pytest.importorskip("zxingcpp")


def pictures(folder: Path, *contents: bytes) -> Path:
    folder.mkdir()
    for place, content in enumerate(contents):
        (folder / f"{place}.png").write_bytes(content)
    return folder


def test_the_report_of_a_trigger_is_that_of_its_part(line: Path, tmp_path: Path) -> None:
    top = pictures(tmp_path / "top", with_code("A-4711", 1), with_code(None, 2))
    side = pictures(tmp_path / "side", with_code(None, 3))
    settings = PartsSettings(code="DataMatrix", code_views=("top",))
    file = StationFile(tables={"parts": settings})
    known = StationSettings(tmp_path / "data", {"fabric": line}, workers=1, file=file, name="press 3")
    station = Station(known)
    listener = Listener()
    cameras = [folder_camera("top", top), folder_camera("side", side)]
    running = Line(station, LineSettings(deadline=120.0, heartbeat=0.1), cameras, [listener])
    try:
        running.start()
        running.trigger("test", lot="7")
        listener.wait(1)
        running.trigger("test", lot="7")
        named, unnamed = listener.wait(2)
        assert (named.serial, named.lot) == ("A-4711", "7")
        assert named.verdict != "fault"
        assert unnamed.serial is None
        # No model can make a part good whose code is missing.
        assert unnamed.verdict in ("fault", "defect")
        if unnamed.verdict == "fault":
            assert "no code found (DataMatrix)" in unnamed.reason
        results = list(station.store.walk(Query()))
        assert sorted((each.part, each.view, each.serial) for each in results) == [
            (1, "side", "A-4711"),
            (1, "top", "A-4711"),
            (2, "side", None),
            (2, "top", None),
        ]
    finally:
        running.close()
        station.close()
