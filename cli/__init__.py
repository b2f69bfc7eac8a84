"""The `hasp` command: run the pieces, administer them, or bring up the whole stack on one machine."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - the packaging metadata stops pip, but not `python -m cli`
    sys.exit(f"hasp needs Python 3.11 or newer; this is {sys.version.split()[0]} ({sys.executable})")
