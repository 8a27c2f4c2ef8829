"""`python -m excision.benchmark` runs one job of a benchmark; `excision benchmark` starts it."""

import sys

from excision.benchmark.child import serve

if __name__ == "__main__":
    sys.exit(serve())
