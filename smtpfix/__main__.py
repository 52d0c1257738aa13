"""`python -m smtpfix`: the command line where the `smtpfix` script is not on the path."""

from __future__ import annotations

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
