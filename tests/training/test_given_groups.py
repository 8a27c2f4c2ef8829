"""Groups that a caller gives to `Detector.fit`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from excision import Detector, Settings, load_dataset
from excision.errors import DatasetError, FewGroupsWarning, FewImagesWarning
from excision.training.preparing import prepare
from tests.conftest import draw_surface


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("given")
    for number in range(12):
        Image.fromarray(np.array(draw_surface(number)).squeeze()).save(root / f"{number:02}.png")
    return root


def test_groups_are_given_in_the_order_of_the_images_or_by_name(folder: Path) -> None:
    parts = [number // 3 for number in range(12)]
    paths = sorted(folder.iterdir())
    arrays = [np.asarray(Image.open(path)) for path in paths]
    dataset = load_dataset(folder)
    by_name = {sample.name: int(sample.name[:2]) // 3 for sample in dataset.train}
    for images, groups in ((paths, parts), (arrays, parts), (dataset, by_name)):
        found = prepare(images, Settings(), given=groups)
        assert sorted(found.groups.values()) == [*"000111222333"]
        assert found.grouping.basis == "the groups that were given" and found.grouping.sure
        assert not set(found.source_groups.values()) & {found.groups[n] for n in found.calibration}


@pytest.mark.parametrize("groups", [[1, 2], {"00.png": 1}, "folder"])
def test_groups_that_do_not_fit_are_refused(folder: Path, groups: list[int] | dict[str, int] | str) -> None:
    with pytest.raises(DatasetError, match="groups"):
        prepare(load_dataset(folder), Settings(), given=groups)


def test_a_detector_promises_for_the_given_groups(tiny: Settings, folder: Path) -> None:
    paths = sorted(folder.iterdir())
    with pytest.warns((FewGroupsWarning, FewImagesWarning)):
        detector = Detector(tiny, device="cpu").fit(paths, groups=[number // 3 for number in range(12)])
    assert detector.calibration.count_groups < len(detector.calibration.scores)
    assert list(detector.suspects(paths, groups=[number // 3 for number in range(12)])) == []
