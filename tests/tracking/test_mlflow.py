"""A model in MLflow: logged to its file store, loaded from there, and serving the same scores."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from excision.cli import run as main
from excision.runtime.inspector import Inspector

mlflow: Any = pytest.importorskip("mlflow", reason="MLflow is not installed")

FORMAT_1 = Path(__file__).parents[1] / "compatibility" / "format_1"

pytestmark = [
    pytest.mark.filterwarnings("ignore:::mlflow"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store of MLflow on this disk."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = (tmp_path / "mlruns").as_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    return uri


def test_a_model_is_logged_and_inspects(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import pandas

    model = tmp_path / "bracket"
    shutil.copytree(FORMAT_1 / "exported", model)
    (model / "evaluation").mkdir()
    (model / "evaluation" / "evaluation.json").write_text(json.dumps({"image_auroc": 0.75, "aupro": None}))
    (model / "evaluation" / "report.html").write_text("<p>report</p>")
    words = ["registry", "mlflow", str(model), "--experiment", "plant", "--register", "bracket"]
    assert main(words) == 0, capsys.readouterr()
    told = capsys.readouterr().out
    assert "Registered: bracket, version 1" in told
    client, inspector = mlflow.MlflowClient(store), Inspector(model)
    run = client.get_run(told.split("Run: ")[1].split()[0])
    assert run.data.metrics["image_auroc"] == 0.75
    assert "aupro" not in run.data.metrics
    assert run.data.metrics["threshold"] == pytest.approx(inspector.threshold)
    assert run.data.params["backend"] == "onnx"
    assert "of good parts" in run.data.tags["excision.promise"]
    assert {each.path for each in client.list_artifacts(run.info.run_id, "evaluation")} == {
        "evaluation/evaluation.json",
        "evaluation/report.html",
    }
    loaded = mlflow.pyfunc.load_model("models:/bracket/1")
    images = [(FORMAT_1 / f"{number}.png").read_bytes() for number in range(3)]
    found = loaded.predict(pandas.DataFrame({"image": [*images, b"no image"]}))
    scores = [inspector.inspect(FORMAT_1 / f"{number}.png").score for number in range(3)]
    assert found["score"].tolist()[:3] == scores
    assert pandas.isna(found["verdict"][3])
    assert "image" in found["error"][3]
    # Nothing of it can be unpickled, and no report was packed into the model.
    files = [path.name for path in Path(mlflow.artifacts.download_artifacts("models:/bracket/1")).rglob("*")]
    assert "mlflow_model.py" in files
    assert not [name for name in files if name.endswith((".pkl", ".html"))]
    with pytest.raises(Exception, match=r"image|binary"):
        loaded.predict(pandas.DataFrame({"image": ["/etc/passwd"]}))
