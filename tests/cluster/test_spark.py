"""The class for data pipelines in Spark, local mode; skipped where pyspark is absent, as it is from `dev`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from excision.runtime import Inspector
from tests.cli.conftest import environment
from tests.cluster.conftest import FORMAT_1, MODEL

pytest.importorskip("pyspark", reason="pyspark is not installed: a download of 456 MB (extra spark)")

# The lines of the document, with a folder of this machine.
PIPELINE = """
import json, sys
from pyspark.sql import SparkSession
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql.types import StructType
from excision.cluster.batches import RESULT_SCHEMA, BatchInspector
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
model = sys.argv[1]
kind = StructType.fromDDL(RESULT_SCHEMA)
inspect = predict_batch_udf(lambda: BatchInspector(model).inspect, return_type=kind, batch_size=3)
images = spark.read.format("binaryFile").load(sys.argv[2])
results = images.withColumn("result", inspect("content")).select("path", "result.*")
for row in sorted(results.collect(), key=lambda row: row["path"]):
    print(json.dumps(["row", row["verdict"], row["score"], row["error"]]))
"""


def test_a_batch_function_of_spark(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes((FORMAT_1 / f"{number}.png").read_bytes())
    (tmp_path / "5.png").write_bytes(b"no image")
    done = subprocess.run(
        [sys.executable, "-c", PIPELINE, str(MODEL), str(tmp_path / "*.png")],
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
        env={**environment(), "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"},
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line)[1:] for line in done.stdout.splitlines() if line.startswith('["row"')]
    alone = list(Inspector(MODEL, threads=1).predict([FORMAT_1 / f"{number}.png" for number in range(4)]))
    assert [row[:2] for row in rows[:4]] == [[one.verdict, one.score] for one in alone]
    assert rows[4][0] is None and rows[4][2].startswith("image: the file is damaged")
