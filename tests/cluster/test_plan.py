"""How an inspection is divided: every image is in one part, and every part belongs to one job."""

from __future__ import annotations

import dataclasses
import json
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from excision.cluster.plan import PLAN, Plan, agree, part_size, read_plan
from excision.cluster.shard import Shard
from excision.errors import ResultsError, SettingsError
from excision.storage.folder import LocalFolder


def plan(images: int = 25, size: int | None = None, **changed: str) -> Plan:
    made = Plan(
        "abc", ("new",), "m.jsonl", "d", images, size or part_size(images), "jsonl", "none", "now", "1"
    )
    return dataclasses.replace(made, **changed)  # type: ignore[arg-type]  # texts alone


@given(images=st.integers(1, 5000), size=st.integers(1, 600), jobs=st.integers(1, 40))
def test_every_image_is_inspected_by_one_job(images: int, size: int, jobs: int) -> None:
    whole = plan(images, size)
    seen: list[int] = []
    for index in range(1, jobs + 1):
        for part in Shard(index, jobs).parts(whole.parts):
            first, count = whole.span(part)
            seen += range(first, first + count)
    assert sorted(seen) == list(range(images))


@given(images=st.integers(1, 10**9))
def test_parts_are_neither_many_nor_large(images: int) -> None:
    size = part_size(images)
    assert 8 <= size <= 1000
    assert size == 1000 or plan(images).parts <= 256


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/0", "-1/3", "a/b", "1/3/5", ""])
def test_a_shard_is_a_number_out_of_a_number(text: str) -> None:
    with pytest.raises(SettingsError, match="such as 1/4"):
        Shard.parse(text)


def test_the_name_of_a_part_gives_its_number() -> None:
    whole = plan(100, 8)
    names = [whole.name(part).rpartition("/")[2] for part in range(whole.parts)]
    assert names == sorted(names)
    assert [whole.number(name) for name in names] == list(range(13))
    for name in ("part-000013.jsonl", ".part-000001-x.jsonl", "part-1.jsonl", "part-000001.parquet", "part-"):
        assert whole.number(name) is None


def test_a_plan_is_made_once_and_read_from_then_on(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path / "out")
    made, before = agree(folder, "abc", ["new"], plan, None, None)
    assert (made, before) == (plan(), False)
    assert agree(folder, "abc", ["new"], lambda: plan(99), None, None) == (plan(), True)
    for others in (("abd", ["new"], None, None), ("abc", ["old"], None, None), ("abc", ["new"], "all", None)):
        with pytest.raises(SettingsError, match="choose another folder"):
            agree(folder, others[0], others[1], plan, *others[2:])
    with pytest.raises(SettingsError, match="--part-size 8"):
        agree(folder, "abc", ["new"], plan, "none", 9)


def test_of_two_jobs_that_begin_at_once_one_makes_the_plan(tmp_path: Path) -> None:
    folder, found = LocalFolder(tmp_path / "out"), list[Plan]()
    begin = threading.Barrier(8)

    def job(number: int) -> None:
        def make() -> Plan:
            begin.wait()
            return plan(date=str(number))

        found.append(agree(folder, "abc", ["new"], make, None, None)[0])

    threads = [threading.Thread(target=job, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == [PLAN]


def test_results_of_another_kind_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").touch()
    with pytest.raises(SettingsError, match="other results"):
        agree(LocalFolder(tmp_path), "abc", ["new"], plan, None, None)


DAMAGED = {
    "no JSON": "{",
    "a list": "[]",
    "nothing": "{}",
    "later": json.dumps({"format": 2}),
    "no images": json.dumps({"format": 1, **dataclasses.asdict(plan(images=0, size=8))}),
    "huge": json.dumps({"format": 1, **dataclasses.asdict(plan(images=2**60))}),
    "huge parts": json.dumps({"format": 1, **dataclasses.asdict(plan(images=2**30, size=10**6 + 1))}),
    "form": json.dumps({"format": 1, **dataclasses.asdict(plan(form="../x"))}),
    "number": json.dumps({"format": 1, **dataclasses.asdict(plan()), "model": 5}),
    "sources": json.dumps({"format": 1, **dataclasses.asdict(plan()), "sources": None}),
    "more": json.dumps({"format": 1, **dataclasses.asdict(plan()), "more": 1}),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_plan_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / PLAN).write_text(content)
    with pytest.raises(ResultsError, match=r"inspection\.json"):
        read_plan(LocalFolder(tmp_path))
