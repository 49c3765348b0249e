"""`python -m bgzero_daemon` is the same as `bgzero`."""

import sys

from bgzero_daemon.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
