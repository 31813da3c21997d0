"""`python -m asyncteach` is the same command as `asyncteach`."""

import sys

from asyncteach.cli import main

if __name__ == "__main__":
    sys.exit(main())
