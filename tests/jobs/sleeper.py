"""A job that tells how far it is, writes when it is stopped, and ends as it is told."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from excision.jobs import child


def do(job: dict[str, Any]) -> int:
    shown = child.Messages()
    print("what a library prints")
    try:
        for step in range(int(job["steps"])):
            shown.stage("sleeping", step + 1, int(job["steps"]))
            time.sleep(0.05)
            Path(job["file"]).write_text(f"{step}")
    except KeyboardInterrupt:
        Path(job["file"]).write_text("saved")
        raise
    if job.get("kill"):
        os.kill(os.getpid(), signal.SIGKILL)
    return int(job.get("status", 0))


if __name__ == "__main__":
    sys.exit(child.serve(do))
