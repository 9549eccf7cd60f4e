"""`python -m tests.half_a_core COMMAND ...`: runs it while half a core is busy with something else.

Half: a twentieth of a second at work, a twentieth asleep. For `make steady-all`, as a test that
holds only on a calm machine holds nowhere.
"""

import subprocess
import sys
import time

STRETCH = 0.05  # seconds


def main(command: list[str]) -> int:
    """The exit status of the command."""
    child = subprocess.Popen(command)
    while child.poll() is None:
        until = time.monotonic() + STRETCH
        while time.monotonic() < until:
            pass
        time.sleep(STRETCH)
    return child.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
