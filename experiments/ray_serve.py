"""The deployment of `docs/serving.md` on Ray Serve, asked over HTTP.

    pip install "excision[cluster]" "ray[serve]"
    python experiments/ray_serve.py line/parts new_images/

It begins a Ray cluster on this machine, runs the lines of the document with two replicas, and sends the
images over HTTP, several at once, and something that is no image. It ends with status 1 unless every score
is that of `Inspector`, bit for bit, and what is no image is answered with the reason.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from excision import Inspector
from excision.data.listing import list_images

DOCUMENT = Path(__file__).parents[1] / "docs" / "serving.md"
MOST = 24  # images


def deployment(model: Path, folder: Path) -> Any:
    """Write the module of the document for a model into a folder, and return its application."""
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    (code,) = [block for block in blocks if "serve.deployment" in block]
    assert code.count('"line/parts"') == 1
    (folder / "inspection.py").write_text(code.replace('"line/parts"', repr(str(model))))
    # The replicas import it, too.
    sys.path.insert(0, str(folder))
    return import_module("inspection").app


def main() -> int:
    """Compare, print, and return the status."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    words.add_argument("model", type=Path, help="folder that `excision export` wrote")
    words.add_argument("images", type=Path)
    given = words.parse_args()
    images = list_images(given.images).images[:MOST]
    inspector = Inspector(given.model.absolute(), threads=1)
    alone = [inspector.inspect(image).score for image in images]
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray
    from ray import serve

    with tempfile.TemporaryDirectory() as scratch, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        path = os.pathsep.join([scratch, *filter(None, [os.environ.get("PYTHONPATH")])])
        runtime = {"env_vars": {"PYTHONPATH": path}}
        ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=runtime)
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        serve.run(deployment(given.model.absolute(), Path(scratch)))

        def ask(body: bytes) -> dict[str, Any]:
            with urlopen(f"http://127.0.0.1:{port}/", body, timeout=120) as answer:
                found: dict[str, Any] = json.load(answer)
                return found

        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda image: ask(image.read_bytes()), images))
        broken = ask(b"no image")
        serve.shutdown()  # type: ignore[no-untyped-call]  # Ray gives it no types
        ray.shutdown()
    equal = sum(one.get("score") == other for one, other in zip(found, alone, strict=True))
    print(f"{equal} of {len(images)} scores are those of Inspector; what is no image: {broken}")
    return 0 if equal == len(images) and set(broken) == {"error"} else 1


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
