"""Makes sure a Chromium is there for the browser tests; run by `make test`.

System Chromium if present, else the system's package where we are root, else Playwright's own
build; when none can be had, says so loudly and the browser tests are skipped.
"""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome")


def system_chromium() -> str | None:
    """Path of the machine's own Chromium."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def _by_package() -> bool:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-y", "-q", "chromium"]):
        if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
            return False
    return system_chromium() is not None


def _by_playwright() -> bool:
    command = [sys.executable, "-m", "playwright", "install", "chromium"]
    try:
        return subprocess.run(command, timeout=300).returncode == 0
    except subprocess.TimeoutExpired:  # no way out to the download: the tests skip, aloud
        return False


def main() -> None:
    """Install what is missing; never fails, the tests themselves tell what they skip."""
    if system_chromium() or _by_package() or _by_playwright():
        return
    print("NO BROWSER: Chromium could not be installed, the browser tests will be SKIPPED.")


if __name__ == "__main__":
    main()
