"""`excision` on a disk that stalls: while a file `stall` lies in the station, uploads are not opened."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from excision.cli import main


def stall(event: str, arguments: tuple[Any, ...]) -> None:
    """Wait in the thread that opens or removes a file, as a network share waits whose server is gone."""
    if event in ("open", "os.remove") and "/incoming/" in str(arguments[0]):
        sign = Path(str(arguments[0])).parents[1] / "stall"
        while sign.exists():
            time.sleep(0.02)


if __name__ == "__main__":
    sys.addaudithook(stall)
    main()
