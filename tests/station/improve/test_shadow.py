"""Shadow mode: the challenger gives way, what it misses is counted, and it goes on after a restart."""

from __future__ import annotations

import dataclasses
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from excision.errors import SettingsError
from excision.station.improve.next_labels import next_labels
from excision.station.improve.shadow import MOST_WAITING, Shadows
from excision.station.store.connection import RESULTS
from excision.station.store.query import Query
from excision.station.store.records import Label, StoredResult
from excision.station.store.shadows import shadow_counts, shadow_pairs, shadow_runs
from excision.station.store.store import Store
from excision.station.work.kept_images import Images
from tests.station.conftest import line as line  # noqa: PLC0414  the exported model
from tests.station.conftest import pictures as pictures  # noqa: PLC0414  as above
from tests.station.improve.conftest import MODEL


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / RESULTS)) as opened:
        yield opened


def kept(store: Store, folder: Path, images: list[Path]) -> list[StoredResult]:
    results = []
    for number, image in enumerate(images):
        place = f"images/2026-11-28/{number}.png"
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(image.read_bytes())
        one = StoredResult(
            time.time(),
            image.name,
            MODEL,
            "w",
            1.0,
            score=0.5,
            verdict="good",
            image=place,
            width=64,
            height=64,
        )
        (found,) = store.add([one])
        results.append(dataclasses.replace(one, id=found or 0))
    return results


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    assert true()


def test_it_waits_while_the_station_is_busy_and_counts_what_it_drops(
    store: Store, line: Path, pictures: list[Path], tmp_path: Path
) -> None:
    challenger = tmp_path / "improve" / MODEL / "0001" / "export"
    challenger.parent.mkdir(parents=True)
    shutil.copytree(line, challenger)
    busy = threading.Event()
    busy.set()
    results = kept(store, tmp_path, (pictures * 4)[: MOST_WAITING + 3])
    shadows = Shadows(store, Images(tmp_path), tmp_path, busy.is_set)
    run = shadows.begin(MODEL, challenger, "E. Engineer")
    shadows.answered(results)
    time.sleep(0.3)
    assert not shadow_counts(store, run.id)
    busy.clear()
    until(lambda: sum(shadow_counts(store, run.id).values()) == MOST_WAITING)
    until(lambda: shadow_runs(store)[0].dropped == 3)
    # Not one verdict of the station has changed.
    assert store.count(Query())["good"] == len(results)
    changed = shadow_pairs(store, run.id, changed=True)
    assert all(pair.verdict == "good" != pair.shadow_verdict for pair in changed)
    shadows.close()
    again = Shadows(store, Images(tmp_path), tmp_path, busy.is_set)
    assert again.of(MODEL) is not None
    again.answered(results[:1])
    again.end(MODEL)
    again.close()
    assert shadow_runs(store)[0].ended is not None and again.of(MODEL) is None
    # A challenger that is gone ends, and the station starts all the same.
    third = Shadows(store, Images(tmp_path), tmp_path, busy.is_set)
    third.begin(MODEL, challenger, "")
    third.close()
    shutil.rmtree(challenger)
    fourth = Shadows(store, Images(tmp_path), tmp_path, busy.is_set)
    fourth.close()
    assert fourth.of(MODEL) is None and shadow_runs(store)[0].ended is not None


def test_it_needs_every_image(store: Store, line: Path, tmp_path: Path) -> None:
    shadows = Shadows(store, Images(tmp_path, "flagged"), tmp_path, lambda: False)
    with pytest.raises(SettingsError, match="--keep all"):
        shadows.begin(MODEL, line, "")
    shadows.close()


def test_what_to_label_next(store: Store, pictures: list[Path], tmp_path: Path) -> None:
    results = kept(store, tmp_path, pictures)
    near = dataclasses.replace(results[0], score=1.05, source="near.png", id=0)
    odd = dataclasses.replace(
        results[0], score=9.0, boxes=((0, 0, 9, 9),), defect_area_share=0.5, source="odd.png", id=0
    )
    store.add([near, odd])
    proposed, done = next_labels(store, MODEL, 3)
    assert done == 0 and [(each.result.source, each.reason) for each in proposed[:2]] == [
        ("near.png", "near"),
        ("odd.png", "unlike"),
    ]
    assert proposed[2].reason == "random" and len(proposed) == 3
    drifted, _ = next_labels(store, MODEL, 3, drifting_since=0.0)
    assert {each.reason for each in drifted} == {"near", "unlike", "drifted"}
    for each in proposed[:2]:
        store.label(each.result.id, Label("good", "M. Weber", "", time.time()))
    left, done = next_labels(store, MODEL, 3)
    assert done == 2 and len(left) == 1
    assert left[0].result.source not in ("near.png", "odd.png")
    assert next_labels(store, MODEL, 2) == ([], 2)
    assert next_labels(store, "other", 5) == ([], 0)
