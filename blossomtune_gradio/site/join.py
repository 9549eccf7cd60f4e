"""Join a federation: run this at your site, and leave it running.

    python join.py            join and stay
    python join.py --check    only look whether everything is ready

What it does is in the folder blossomtune_site, a few short files to be read.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - a site may well try an older one
    print(
        f"FAIL python: {sys.executable} is Python {sys.version.split()[0]}, and this needs 3.11 or "
        "newer. Fix: install a newer Python, make an environment with it, "
        "and run: venv/bin/python join.py"
    )
    sys.exit(2)

from blossomtune_site.command import main

if __name__ == "__main__":
    sys.exit(main())
