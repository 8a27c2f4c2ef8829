"""`python -m excision` is `excision`."""

from excision.cli import main

if __name__ == "__main__":
    main()
