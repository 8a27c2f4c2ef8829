"""`python -m excision.fleet` does one job of a fleet; `excision fleet` starts it."""

import sys

from excision.fleet.child import serve

if __name__ == "__main__":
    sys.exit(serve())
