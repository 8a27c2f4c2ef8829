"""`python -m excision.station.improve` carries out one improvement; a station starts it."""

import sys

from excision.station.improve.child import serve

if __name__ == "__main__":
    sys.exit(serve())
