"""Make the environment that the project runs in: `python3 tools/bootstrap.py [--venv .venv]`.

This file parses in any Python, so that one too old is named and does not fail on the syntax.
"""

import sys

if sys.version_info < (3, 10):
    sys.exit(
        "error: Python 3.10 or newer is needed, this is %d.%d; with one installed: "
        "PYTHON=python3.12 make setup" % sys.version_info[:2]
    )

from environment.setup import main

if __name__ == "__main__":
    sys.exit(main())
