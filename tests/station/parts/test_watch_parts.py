"""Views that arrive as files become parts with one verdict, whatever ends the watcher in between."""

from __future__ import annotations

import csv
import os
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from excision.errors import SettingsError, StoreError
from excision.predictions import Prediction
from excision.station.hot_folder.settings import WatchCounts, WatchSettings
from excision.station.lock import only_parts
from excision.station.parts.rows import Part, PartQuery, walk_parts
from excision.station.parts.settings import PartsSettings
from excision.station.store.connection import RESULTS
from excision.station.store.store import Store
from tests.evaluation.fakes import FakePredictor, save
from tests.inspection.test_batch import stained, surface
from tests.station.parts.pictures import with_code
from tests.station.test_watch import results, run_watch
from tests.station.test_watch import start as start_watch

TWO = PartsSettings(views=("top", "side"), timeout=0.3)


def parts_of(out: Path) -> dict[str | None, Part]:
    store = Store(out / RESULTS)
    found = list(walk_parts(store, PartQuery()))
    store.close()
    assert len({part.serial for part in found}) == len(found), "a part came twice"
    return {part.serial: part for part in found}


def watch_parts(
    hot: Path, parts: PartsSettings = TWO, predictor: FakePredictor | None = None, **settings: Any
) -> tuple[WatchCounts, list[str]]:
    chosen = {"names": "{serial}_{view}", **settings}
    return run_watch(hot, hot.parent / "out", predictor, parts=parts, **chosen)


def test_each_part_has_one_verdict_and_a_missing_view_is_a_fault(tmp_path: Path) -> None:
    hot = tmp_path / "hot"
    for name, pixels in {"A_top": surface(1), "A_side": surface(2), "B_top": stained(3)}.items():
        save(hot / f"{name}.png", pixels)
    save(hot / "B_side.png", surface(4))
    save(hot / "C_side.png", surface(5))
    save(hot / "D_front.png", surface(6))
    (hot / "E_top.png").write_bytes(b"no image")
    save(hot / "E_side.png", surface(7))
    counts, notes = watch_parts(hot, also=("csv", "jsonl"), station="press 3")
    found = parts_of(tmp_path / "out")
    assert {serial: (part.verdict, part.reason) for serial, part in found.items() if serial != "E"} == {
        "A": ("good", ""),
        "B": ("defect", "top: defect"),
        "C": ("fault", "no picture of top came in time"),
    }
    assert found["E"].verdict == "fault"
    assert (counts.parts, counts.open_parts) == ({"good": 1, "defect": 1, "fault": 2}, 0)
    assert "part 3, serial C: fault (no picture of top came in time)" in notes
    assert any("D_front.png: does not fit" in note and "no part of top, side" in note for note in notes)
    with (tmp_path / "out" / "parts.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["serial"]: row["verdict"] for row in csv.DictReader(stream)}
    assert rows == {"A": "good", "B": "defect", "C": "fault", "E": "fault"}
    assert len((tmp_path / "out" / "parts.jsonl").read_text("utf-8").splitlines()) == 4
    by_name = {Path(each.source).stem: each for each in results(tmp_path / "out")}
    assert by_name["A_top"].part == by_name["A_side"].part == found["A"].id
    assert (by_name["A_top"].view, by_name["A_top"].station) == ("top", "press 3")
    assert by_name["D_front"].part is None


class Slow(FakePredictor):
    """Needs longer for an image than a part has time."""

    def predict(self, images: Iterable[Path]) -> Iterator[Prediction]:
        time.sleep(0.3)
        yield from super().predict(images)


def test_a_view_that_waits_in_the_folder_is_not_missing(tmp_path: Path) -> None:
    hot = tmp_path / "hot"
    for number, name in enumerate(["A_top", "B_top", "C_top", "A_side", "B_side", "C_side"]):
        path = save(hot / f"{name}.png", surface(number))
        os.utime(path, ns=(number * 10**9,) * 2)
    watch_parts(hot, PartsSettings(views=("top", "side"), timeout=0.2), Slow())
    assert {part.verdict for part in parts_of(tmp_path / "out").values()} == {"good"}


def test_after_a_restart_a_view_counts_that_came_in_time(tmp_path: Path) -> None:
    hot, parts = tmp_path / "hot", PartsSettings(views=("top", "side"), timeout=0.4)
    save(hot / "A_top.png", surface(1))
    save(hot / "B_top.png", surface(2))
    watch_parts(hot, parts, stop_after=2)
    assert {part.verdict for part in parts_of(tmp_path / "out").values()} == {None}
    deadlines = {serial: part.deadline or 0.0 for serial, part in parts_of(tmp_path / "out").items()}
    # When they came, their times say, so that it does not matter how fast this machine is.
    in_time = round(1e9 * (deadlines["A"] - 0.01))
    os.utime(save(hot / "A_side.png", surface(3)), ns=(in_time, in_time))
    time.sleep(max(0.0, deadlines["B"] + 0.01 - time.time()))
    save(hot / "B_side.png", surface(4))
    watch_parts(hot, parts)
    found = parts_of(tmp_path / "out")
    assert (found["A"].verdict, found["B"].verdict) == ("good", "fault")
    # The late view belongs to its part, and changes nothing.
    late = next(each for each in results(tmp_path / "out") if each.source.endswith("B_side.png"))
    assert late.part == found["B"].id


def test_codes_are_read_from_the_images_and_a_contradiction_survives_a_restart(tmp_path: Path) -> None:
    pytest.importorskip("zxingcpp")
    hot = tmp_path / "hot"
    coded = PartsSettings(views=("top", "side"), timeout=0.4, code="DataMatrix")
    for name, text in {"1_top": "A", "1_side": "A", "2_top": "B", "2_side": None}.items():
        (hot / name.partition("_")[2]).mkdir(parents=True, exist_ok=True)
        (hot / name.partition("_")[2] / f"{name[0]}.png").write_bytes(with_code(text, 1))
    watch_parts(hot, coded, names="{view}/*")
    found = parts_of(tmp_path / "out")
    assert (found["A"].verdict, found["B"].verdict) == (
        "defect",
        "defect",
    )  # the fake sees the codes as spots
    assert {part.serial for part in found.values()} == {"A", "B", None}
    assert "no code found (DataMatrix)" in (found[None].reason or "")
    # The name says another serial number than the code.
    (hot / "C_top.png").write_bytes(with_code("D", 2))
    blind = FakePredictor(threshold=2.0)
    watch_parts(hot, coded, blind, stop_after=1)
    (hot / "C_side.png").write_bytes(with_code("C", 2))
    watch_parts(hot, coded, blind)
    part = parts_of(tmp_path / "out")["C"]
    assert part.verdict == "fault"
    assert "the code says serial D, but C was given" in (part.reason or "")


def test_a_result_that_cannot_be_stored_leaves_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hot = tmp_path / "hot"
    save(hot / "A.png", surface(1))
    whole, calls = Store.add, 0

    def full(store: Store, given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise StoreError("the disk is full")
        return whole(store, given)

    monkeypatch.setattr(Store, "add", full)
    with pytest.raises(StoreError):
        watch_parts(hot, PartsSettings(), names="{serial}")
    assert parts_of(tmp_path / "out") == {}
    watch_parts(hot, PartsSettings(), names="{serial}")
    assert {serial: part.verdict for serial, part in parts_of(tmp_path / "out").items()} == {"A": "good"}


def test_settings_that_leave_a_part_unknown_are_refused() -> None:
    with pytest.raises(SettingsError, match=r'add --names, such as --names "\{serial\}_\{view\}"'):
        WatchSettings(parts=TWO)
    with pytest.raises(SettingsError, match="nothing says which images of top, side show the same part"):
        WatchSettings(parts=TWO, names="{view}/*")


# With processes of their own, and a model.


def test_kills_lose_no_part_and_repeat_none(line: Path, tmp_path: Path) -> None:
    (tmp_path / "station.toml").write_text(
        '[station]\nname = "press 3"\n[parts]\nviews = ["top", "side"]\ntimeout = "1 s"\n[alarms]\n', "utf-8"
    )
    words = ["--file", tmp_path / "station.toml", "--names", "{lot}/{serial}_{view}.png"]
    chance, hot = random.Random(1), tmp_path / "hot"
    for number in range(3):
        with start_watch(line, tmp_path, *words) as process:
            for count in range(3):
                for view in ("top", "side") if (number, count) != (1, 1) else ("top",):
                    name = f"L{number}/{number}{count}_{view}.png"
                    save(hot / name, surface(10 * number + count, (64, 64)))
            time.sleep(chance.uniform(0.3, 1.2))
            process.kill()
            process.wait()
    with start_watch(line, tmp_path, *words, "--idle-exit", 1) as process:
        stdout, stderr = process.communicate(timeout=240)
    assert process.returncode == 0, stderr
    assert "uses [parts] and the name in [station], but not [alarms]" in stdout
    found = parts_of(tmp_path / "out")
    assert len(found) == 9
    assert {serial for serial, part in found.items() if part.verdict == "fault"} == {"11"}
    assert {part.verdict for part in found.values()} <= {"good", "review", "defect", "unfit", "fault"}
    assert "no picture of side came in time" in (found["11"].reason or "")
    given = results(tmp_path / "out")
    assert Counter(each.part for each in given) == {
        part.id: 1 + (part.serial != "11") for part in found.values()
    }
    assert {each.station for each in given} == {"press 3"}
    assert {(each.serial or "", each.lot) for each in given} == {
        (f"{number}{count}", f"L{number}") for number in range(3) for count in range(3)
    }


def test_one_process_puts_the_parts_of_a_folder_together(line: Path, tmp_path: Path) -> None:
    (tmp_path / "station.toml").write_text("[parts]\n", "utf-8")
    words = ["--file", tmp_path / "station.toml"]
    with only_parts(tmp_path / "out", "--data"), start_watch(line, tmp_path, *words) as process:
        _, stderr = process.communicate(timeout=240)
    assert process.returncode == 2
    assert "another process puts parts together ([parts]) here already" in stderr
