"""Which image is for what: nothing that a model has seen is compared, and what was kept out stays out."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from excision.inspection.fingerprint import fingerprint
from excision.station.improve.collection import Collection, Member, assemble
from excision.station.improve.originals import Originals
from excision.station.models.live import Live
from excision.station.store.connection import RESULTS
from excision.station.store.store import Store
from excision.station.work.backup import back_up, restore
from tests.station.conftest import line as line  # noqa: PLC0414  the exported model
from tests.station.improve.test_doubts import part

NO_ORIGINALS = Originals({}, {}, {}, ())


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=1, max_size=40),
    st.sets(st.integers(0, 39)),
    st.sets(st.integers(0, 39)),
)
def test_roles(parts: list[tuple[bool, int]], seen: set[int], kept: set[int]) -> None:
    labelled = [part(number, "defect" if bad else "good") for number, (bad, _) in enumerate(parts)]
    groups = {f"station/{number}.png": f"group {group}" for number, (_, group) in enumerate(parts)}
    before = Collection(
        tuple(Member("x", Path("x"), str(number), False, "compare", "g") for number in kept - seen)
    )
    members = assemble(NO_ORIGINALS, {}, labelled, groups, {str(number) for number in seen}, before)
    assert {member.digest for member in members} == {each.digest for each in labelled}
    compared = {member.group for member in members if member.role == "compare"}
    trained = {member.group for member in members if member.role != "compare"}
    assert not compared & trained
    for member in members:
        assert member.role in {"compare", "known" if member.defective else "train"}
        if int(member.digest) in seen:
            assert member.role != "compare"
        if int(member.digest) in kept - seen and member.group not in {
            other.group for other in members if int(other.digest) in seen
        }:
            assert member.role == "compare"


def test_an_original_that_is_now_a_defect_leaves_the_training(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("a.png", "b.png")}
    originals = Originals(files, {}, {"a.png": "1", "b.png": "2"}, ())
    members = assemble(originals, {"b.png": "strip"}, [part(1, "defect")], {}, (), None)
    assert [(m.name, m.role, m.group) for m in members if m.role == "original"] == [
        ("b.png", "original", "strip")
    ]
    # Networks have seen it, so it may sharpen the attention and cannot be compared.
    assert [(m.digest, m.role) for m in members if m.defective] == [("1", "known")]
    again = assemble(originals, {}, [part(1, "good")], {}, (), None)
    assert [member.role for member in again] == ["original", "original"]


def test_what_is_live_counts_while_the_station_is_started_with_the_same_folder(
    line: Path, tmp_path: Path
) -> None:
    own, given_folder = tmp_path / "improve" / "m" / "0001" / "export", tmp_path / "given"
    for folder in (own, given_folder):
        shutil.copytree(line, folder)
    Live(tmp_path).note("m", own, fingerprint(own), given_folder)
    assert Live(tmp_path).folders({"m": given_folder}) == ({"m": own}, {"m": given_folder})
    # Somebody deploys another folder: that one is meant.
    settings = given_folder / "fitness.json"
    settings.unlink()
    assert Live(tmp_path).folders({"m": given_folder}) == ({"m": given_folder}, {})
    # A damaged or forged file counts for nothing.
    for content in ("{", '{"m": {"folder": "../../x", "weights_id": "1", "started_with": null}}', "[]"):
        (tmp_path / "live_models.json").write_text(content)
        assert Live(tmp_path).folders({}) == ({}, {})


def test_a_backup_has_the_models_that_the_station_made(tmp_path: Path) -> None:
    station = tmp_path / "station"
    with closing(Store(station / RESULTS)):
        pass
    names = ["improve/m/0001/job.json", "improve/m/0001/export/model.onnx", "live_models.json"]
    for name in (*names, "improve/m/0001/.half-written.json"):
        (station / name).parent.mkdir(parents=True, exist_ok=True)
        (station / name).write_text(name)
    back_up(station, tmp_path / "backup", lambda *_: None)
    restore(tmp_path / "backup", tmp_path / "restored", lambda *_: None)
    for name in names:
        assert (tmp_path / "restored" / name).read_text() == name
    assert not list((tmp_path / "restored").rglob(".half*"))
