"""Which images belong together: told by a person, or found from names, times and content."""

from __future__ import annotations

import os
import re
import runpy
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from excision.data import Sample, load_dataset
from excision.data.check import inspect_dataset
from excision.data.groups import Collector, Grouping, GroupRule, find_groups, group_samples
from excision.data.groups.collecting import stretches
from excision.data.groups.find import group_images
from excision.data.groups.names import natural
from excision.data.groups.times import stamp, time_in_name
from excision.errors import DatasetError, SettingsError
from excision.settings import CalibrationSettings, Settings
from excision.training.preparing import prepare


def images(*names: str) -> dict[str, Path]:
    return {name: Path(name) for name in names}


def test_a_regular_expression_gives_its_first_parenthesis_or_its_match() -> None:
    names = images("strip01_tile_1.png", "strip01_tile_2.png", "strip02_tile_1.png")
    for text in (r"strip(\d+)", r"strip\d+"):
        found = find_groups(names, GroupRule.parse(text))
        assert found.count == 2
        assert found.sure
        assert found.of["strip01_tile_1.png"] == found.of["strip01_tile_2.png"]


def test_names_that_do_not_match_are_refused() -> None:
    with pytest.raises(
        DatasetError, match=re.escape("1 of 2 image names do not match it, such as other.png")
    ):
        find_groups(images("strip01.png", "other.png"), GroupRule.parse(r"strip(\d+)"))


@pytest.mark.parametrize("text", ["", "(", "time:", "time:0s", "time:5 weeks"])
def test_a_rule_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"time:60s"):
        GroupRule.parse(text)


def test_every_image_alone_and_every_folder() -> None:
    names = images("a/1.png", "a/2.png", "b/1.png")
    assert find_groups(names, GroupRule.parse("each")).count == 3
    assert find_groups(names, GroupRule.parse("folder")).sizes == (1, 2)


def random_looks(count: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(count, 179)).astype(np.float32)


def found(names: Sequence[str], looks: NDArray[np.float32]) -> Grouping:
    return group_images(
        {name: Path(name) for name in names},
        {name: name for name in names},
        None,
        dict(zip(names, looks, strict=True)),
    )


def partition(grouping: Grouping, names: Sequence[str]) -> list[int]:
    """Give the number of the group of each image in order of first appearance."""
    numbers: dict[str, int] = {}
    return [numbers.setdefault(grouping.of[name], len(numbers)) for name in names]


def strips(count: int, tiles: int, seed: int, effect: float) -> tuple[list[int], NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    groups = [strip for strip in range(count) for _ in range(tiles)]
    looks = rng.normal(size=(len(groups), 179)) + effect * rng.normal(size=(count, 179))[groups]
    return groups, looks.astype(np.float32)


NAMINGS: list[Callable[[int, int], str]] = [
    lambda strip, tile: f"strip{strip:02d}_tile_{tile:02d}.png",
    lambda strip, tile: f"{strip:04d}_{tile}.png",
    lambda strip, tile: f"roll {strip}/x_{256 * tile}.jpg",
    lambda strip, tile: f"2024/lot-{'ABCDEFGHIJKLMNOP'[strip]}/img{strip}.{tile}.bmp",
]


@settings(max_examples=6, deadline=None)
@given(st.integers(10, 16), st.integers(3, 6), st.integers(0, 99), st.sampled_from(NAMINGS))
def test_strips_are_found_whatever_the_naming(
    count: int, tiles: int, seed: int, naming: Callable[[int, int], str]
) -> None:
    groups, looks = strips(count, tiles, seed, effect=1.0)
    names = [naming(strip, place % tiles) for place, strip in enumerate(groups)]
    grouping = found(names, looks)
    assert partition(grouping, names) == groups


@settings(max_examples=6, deadline=None)
@given(
    st.integers(20, 60),
    st.integers(0, 10**6),
    st.integers(1, 400),
    st.integers(3, 7),
    st.sampled_from(["img_", "a b-", "x"]),
)
def test_other_numbers_in_the_same_order_give_the_same_groups(
    count: int, seed: int, start: int, digits: int, stem: str
) -> None:
    looks = random_looks(count, seed) + np.linspace(0, seed % 3, count, dtype=np.float32)[:, np.newaxis]
    plain = [f"{place}.png" for place in range(count)]
    renamed = [f"{stem}{start + 3 * place:0{digits}d}.jpeg" for place in range(count)]
    assert partition(found(plain, looks), plain) == partition(found(renamed, looks), renamed)


def test_strips_that_are_found_in_names_and_content_are_sure() -> None:
    groups, looks = strips(15, 5, 1, effect=1.0)
    grouping = found([NAMINGS[0](strip, place % 5) for place, strip in enumerate(groups)], looks)
    assert grouping.sure
    assert "15 in all" in grouping.evidence[0]


def test_numbers_are_in_their_own_order() -> None:
    assert sorted(["b2", "b10", "b1", "a3"], key=natural) == ["a3", "b1", "b2", "b10"]


def test_independent_images_are_found_independent() -> None:
    independent = 0
    for seed in range(20):
        names = [f"img_{number:03d}.png" for number in range(30 + 4 * seed)]
        independent += found(names, random_looks(len(names), seed)).count == len(names)
    assert independent >= 19


def test_sessions_are_found_where_light_changes() -> None:
    rng = np.random.default_rng(3)
    sessions = np.repeat([0, 1, 2, 3], [50, 30, 60, 40])
    looks = (rng.normal(size=(180, 179)) + rng.normal(size=(4, 179))[sessions]).astype(np.float32)
    names = [f"{number:03d}.png" for number in range(180)]
    grouping = found(names, looks)
    assert partition(grouping, names) == sessions.tolist()
    assert not grouping.sure
    assert "change abruptly" in grouping.basis


def test_images_that_change_slowly_are_few_blocks_and_not_sure() -> None:
    rng = np.random.default_rng(4)
    looks = rng.normal(size=(600, 179)) + np.linspace(-3, 3, 600)[:, np.newaxis]
    names = [f"{number:03d}.png" for number in range(600)]
    grouping = found(names, looks.astype(np.float32))
    assert 2 <= grouping.count <= 30
    assert not grouping.sure


def test_bursts_are_found_from_times_though_positions_differ_more() -> None:
    rng = np.random.default_rng(5)
    bursts, positions = np.divmod(np.arange(12 * 8), 8)
    looks = rng.normal(size=(96, 179)) + 1.5 * rng.normal(size=(12, 179))[bursts]
    looks += 5 * rng.normal(size=(8, 179))[positions]
    names = [
        f"cam_2024010{1 + burst // 4}{9 + burst % 4:02d}{place:02d}00_pos{place}.png"
        for burst, place in zip(bursts, positions, strict=True)
    ]
    grouping = found(names, looks.astype(np.float32))
    assert partition(grouping, names) == bursts.tolist()


def test_images_of_one_camera_are_no_group() -> None:
    rng = np.random.default_rng(6)
    names = [f"cam{camera}_part{part:03d}.png" for camera in (1, 2) for part in range(40)]
    looks = rng.normal(size=(80, 179)) + 5 * rng.normal(size=(2, 179))[np.repeat([0, 1], 40)]
    parts = 2 * rng.normal(size=(40, 179))[np.tile(np.arange(40), 2)]
    grouping = found(names, (looks + parts).astype(np.float32))
    assert partition(grouping, names) == [*range(40), *range(40)]


@pytest.mark.parametrize(
    ("name", "moment"),
    [
        ("2023-11-27_14-05-33.png", "2023-11-27 14:05:33"),
        ("line 3/20231127140533_left.png", "2023-11-27 14:05:33"),
        ("01_231127140533_277500_315.jpg", "2023-11-27 14:05:33"),
        ("2023-11-27/cam_14-05-33.500.png", "2023-11-27 14:05:33.5"),
        ("IMG_20231127_140533_012.jpg", "2023-11-27 14:05:33.012"),
        ("part_1701093933.png", "2023-11-27 14:05:33"),
        ("1701093933250.png", "2023-11-27 14:05:33.25"),
    ],
)
def test_times_in_names(name: str, moment: str) -> None:
    seconds = time_in_name(name)
    assert seconds is not None
    assert stamp(seconds) == moment


@pytest.mark.parametrize("name", ["img_001.png", "kos12/Part3.jpg", "exp2_num_20390.jpg", "0102_000_03.png"])
def test_names_without_a_time(name: str) -> None:
    assert time_in_name(name) is None


def test_times_in_exif_and_of_files(tmp_path: Path) -> None:
    rule = GroupRule.parse("time:1min")
    paths = {}
    for number, second in enumerate((0, 20, 59, 61, 200)):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[36867] = f"2024:05:06 07:{second // 60:02d}:{second % 60:02d}"
        path = tmp_path / f"{'edcba'[number]}.jpg"
        Image.new("L", (16, 16)).save(path, exif=exif)
        paths[path.name] = path
    grouping = find_groups(paths, rule)
    assert partition(grouping, list(paths)) == [0, 0, 0, 1, 2]
    assert "EXIF" in grouping.basis
    for number, path in enumerate(paths.values()):
        Image.new("L", (16, 16)).save(path)
        os.utime(path, (number * 50, number * 50))
    grouping = find_groups(paths, rule)
    assert partition(grouping, list(paths)) == [0, 0, 1, 1, 2]
    assert not grouping.sure
    assert "copying can change" in grouping.basis


def test_a_column_of_a_table_by_its_name(tmp_path: Path) -> None:
    rows = ["image,split,label,mask,Lot"]
    for number in range(6):
        Image.new("L", (16, 16), number).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,train,good,,lot{number // 2}")
    (tmp_path / "parts.csv").write_text("\n".join(rows))
    dataset = load_dataset(tmp_path)
    for text in ("column:lot", "Lot", "lot"):
        report = inspect_dataset(dataset, rule=GroupRule.parse(text))
        assert (report.groups.count, report.groups.largest) == (3, 2)
    with pytest.raises(DatasetError, match="there is no column batch; the columns are lot"):
        inspect_dataset(dataset, rule=GroupRule.parse("column:batch"))


def test_the_hold_out_keeps_the_groups_of_the_rule(tmp_path: Path) -> None:
    for number in range(30):
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (40, 40), np.uint8)).save(
            tmp_path / f"s{number % 6}_{number}.png"
        )
    chosen = Settings(calibration=CalibrationSettings(groups=r"s(\d)"))
    data = prepare(load_dataset(tmp_path), chosen)
    sides = [{data.groups[name] for name in names} for names in (data.sources, data.calibration)]
    assert not sides[0] & sides[1]
    assert data.fingerprint()["groups"] == dict(data.groups)


@pytest.mark.parametrize(
    ("name", "fewest", "most"), [("KolektorSDD", 20, 24), ("casting", 200, 589), ("ball_screw", 2, 20)]
)
def test_real_images_by_names_and_content(name: str, fewest: int, most: int) -> None:
    folder = Path(__file__).parents[2].parent / "shared" / "data" / name
    if not folder.is_dir():
        pytest.skip(f"the data set {name} is not here")
    samples = [replace(sample, group=sample.name) for sample in load_dataset(folder).train]
    collector = Collector(samples, None)
    for sample in samples:
        collector.decode(sample.image)
    grouping = group_samples(samples, None, collector.looks)[1]
    assert fewest <= grouping.count <= most


def test_of_very_many_images_stretches_are_looked_at() -> None:
    names = [f"{number:05d}.png" for number in range(9000)]
    samples = [Sample(name, Path(name), "train", "good", None, name) for name in names]
    looked_at = stretches(samples)
    assert len(looked_at) == 4000
    rng = np.random.default_rng(7)
    light = np.repeat(rng.normal(size=(90, 179)), 100, axis=0)
    looks = {s.name: (light[int(s.name[:5])] + rng.normal(size=179)).astype(np.float32) for s in looked_at}
    grouping = group_samples(samples, None, looks)[1]
    assert len(grouping.of) == 9000
    assert 10 <= grouping.count <= 120


def test_drawn_surfaces() -> None:
    """The short form of experiments/groups.py."""
    script = Path(__file__).parents[2] / "experiments" / "groups.py"
    shown = runpy.run_path(str(script))
    assert shown["study"]("independent", range(3))["independent"] >= 2 / 3
    assert shown["study"]("strips", range(2))["right or larger"] >= 1 / 2


def test_so_few_groups_that_they_promise_nothing_are_named_and_not_taken() -> None:
    rng = np.random.default_rng(8)
    strips_, tiles = np.divmod(np.arange(24 * 5), 5)
    looks = rng.normal(size=(120, 179)) + rng.normal(size=(24, 179))[strips_]
    looks += 3 * rng.normal(size=(2, 179))[strips_ % 2]
    names = [
        f"day{strip % 2}_strip{strip:02d}_{tile}.png" for strip, tile in zip(strips_, tiles, strict=True)
    ]
    grouping = found(names, looks.astype(np.float32))
    assert partition(grouping, names) == strips_.tolist()
    assert not grouping.sure
    assert any("stay apart" in line for line in grouping.evidence)
    assert "still resemble each other" in grouping.basis
