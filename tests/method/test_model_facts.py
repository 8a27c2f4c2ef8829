"""What is read from the weights of a run folder without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from excision.detector import Detector
from excision.method.model_facts import read_feature_distance

FORMAT_1 = Path(__file__).parents[1] / "compatibility" / "format_1" / "run" / "model.safetensors"


def test_facts_of_a_folder_of_the_first_format() -> None:
    facts = read_feature_distance(FORMAT_1)
    assert facts is not None
    assert facts.explained_variance == pytest.approx(load_file(FORMAT_1)["familiar.explained"][0])
    assert facts.aligned


def test_facts_are_found_again_once_the_model_was_saved_anew(tmp_path: Path) -> None:
    """The names are those that are written today, whatever they are."""
    Detector.load(FORMAT_1.parent, device="cpu").save(tmp_path)
    assert read_feature_distance(tmp_path / "model.safetensors") == read_feature_distance(FORMAT_1)


def test_no_torch_is_needed() -> None:
    code = (
        "import sys; from pathlib import Path; "
        "from excision.method.model_facts import read_feature_distance; "
        "assert read_feature_distance(Path(sys.argv[1])); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, FORMAT_1], check=True)
