"""The clients of `docs/serving.md` against a real server of the KServe v2 protocol, MLServer.

    python -m venv v2 && v2/bin/pip install excision mlserver "tritonclient[http]"
    v2/bin/python experiments/v2_protocol.py repository/parts new_images/

It serves a model that `excision export --to triton` wrote, which MLServer runs in ONNX Runtime in batches
of its own making; runs the Python client of the document; and sends many requests at once in JSON. It ends
with status 1 unless every score is that of `Inspector`, bit for bit, and some images were inspected
together. No Triton server is needed, and none is tested.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
from numpy.typing import NDArray

from excision import Inspector
from excision.data.listing import list_images

DOCUMENT = Path(__file__).parents[1] / "docs" / "serving.md"
MOST = 24  # images

RUNTIME = """
import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse


class Graph(MLModel):
    async def load(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        graph = self.settings.parameters.uri
        self._graph = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        return True

    async def predict(self, payload):
        images = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float32)
        print("batch", len(images), flush=True)
        names = [output.name for output in payload.outputs]
        found = self._graph.run(names, {"image": images})
        # One number for each image, in the shape that `config.pbtxt` gives it.
        shaped = [array[:, None] if array.ndim == 1 else array for array in found]
        outputs = [NumpyCodec.encode_output(*each) for each in zip(names, shaped)]
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=outputs)
"""


@contextmanager
def serving(version: Path, name: str) -> Iterator[tuple[str, Path]]:
    """Run MLServer with a model under a name; gives its address and what it printed."""
    ports = []
    for _ in range(3):
        with socket.create_server(("127.0.0.1", 0)) as free:
            ports.append(free.getsockname()[1])
    settings = dict(zip(("http_port", "grpc_port", "metrics_port"), ports, strict=True))
    parameters = {"uri": str((version / "model.onnx").absolute()), "version": version.name}
    model = {"name": name, "implementation": "graph.Graph", "max_batch_size": 8, "max_batch_time": 0.2}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "graph.py").write_text(RUNTIME)
        (folder / "settings.json").write_text(
            json.dumps(settings | {"host": "127.0.0.1", "parallel_workers": 0})
        )
        (folder / "model-settings.json").write_text(json.dumps(model | {"parameters": parameters}))
        program = Path(sys.executable).parent / "mlserver"
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([program, "start", "."], cwd=folder, stdout=log, stderr=log)
        try:
            _until_ready(f"http://127.0.0.1:{ports[0]}/v2/models/{name}/ready", process)
            yield f"127.0.0.1:{ports[0]}", folder / "log"
        finally:
            process.terminate()
            process.wait(30)


def _until_ready(address: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit("MLServer has ended")
        with contextlib.suppress(OSError), urlopen(address, timeout=5):
            return
        time.sleep(0.1)
    raise SystemExit("MLServer is not ready after a minute")


def by_json(server: str, name: str, pixels: NDArray[np.float32]) -> float:
    """Send an image (1, C, H, W) in JSON and return its score."""
    image = {"name": "image", "shape": pixels.shape, "datatype": "FP32", "data": pixels.ravel().tolist()}
    body = json.dumps({"inputs": [image], "outputs": [{"name": "score"}]}).encode()
    request = Request(f"http://{server}/v2/models/{name}/infer", body, {"Content-Type": "application/json"})
    with urlopen(request, timeout=300) as answer:
        (output,) = json.load(answer)["outputs"]
    assert output["shape"] == [1, 1]
    return float(np.float32(output["data"][0]))


def by_document(server: str, version: Path, image: Path) -> float:
    """Run the Python client of the document and return the score that it prints."""
    (code,) = [
        block
        for block in re.findall(r"```python\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
        if "tritonclient" in block
    ]
    for written, used in (
        ("127.0.0.1:8000", server),
        ("repository/parts/1", str(version)),
        ("part_017.png", str(image)),
        ('"parts"', repr(version.parent.name)),
    ):
        assert code.count(written) == 1, written
        code = code.replace(written, used)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(code, str(DOCUMENT), "exec"), {})
    return float(said.getvalue().split()[0])


def main() -> int:
    """Compare, print, and return the status."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    words.add_argument("model", type=Path, help="folder that `excision export --to triton` wrote")
    words.add_argument("images", type=Path)
    given = words.parse_args()
    version = (given.model / "1").absolute()
    inspector = Inspector(version, threads=1)
    images = list_images(given.images).images[:MOST]
    alone = [inspector.inspect(image).score for image in images]
    pixels = [
        np.ascontiguousarray((inspector.working(image) / np.float32(65535)).transpose(2, 0, 1)[None])
        for image in images
    ]
    with serving(version, given.model.name) as (server, log):
        documented = by_document(server, version, images[0])
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda each: by_json(server, given.model.name, each), pixels))
        batches = [int(size) for size in re.findall(r"^batch (\d+)$", log.read_text(), re.MULTILINE)]
    equal = sum(one == other for one, other in zip(found, alone, strict=True))
    print(f"{equal} of {len(images)} scores in JSON are those of Inspector, in batches of {batches}")
    print(f"the client of the document: {documented!r}, Inspector: {alone[0]!r}")
    return 0 if equal == len(images) and documented == alone[0] and max(batches) > 1 else 1


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
