"""A Ray cluster of this machine, in a process of its own, for scripts that measure and break inspections."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_BEGIN = """
import sys
import ray
ray.init("local", num_cpus=int(sys.argv[1]), include_dashboard=False, object_store_memory=2**27,
         log_to_driver=False)
print("address", ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
"""


@contextmanager
def ray_cluster(cores: int) -> Iterator[str]:
    """Begin a cluster, give its address, and end it."""
    # A busy machine takes longer than Ray waits by default.
    known = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_raylet_start_wait_time_s": "300"}
    process = subprocess.Popen(
        [sys.executable, "-c", _BEGIN, str(cores)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=known,
    )
    assert process.stdin is not None and process.stdout is not None  # requested above
    try:
        lines = (line.split() for line in process.stdout)
        yield next(words[1] for words in lines if words[:1] == ["address"])
    finally:
        process.stdin.close()
        process.wait(60)
