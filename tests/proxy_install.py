"""Makes sure nginx and Caddy are there for the tests of proxies; run by `make test`.

Those of the machine if present, else the system's packages, unpacked into `.venv/proxies` and not
installed: an installed one would be a service that listens on port 80. When they cannot be had,
says so loudly and the tests that need them are skipped.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

PROGRAMS = {"nginx": "usr/sbin/nginx", "caddy": "usr/bin/caddy"}
FOLDER = Path(sys.prefix) / "proxies"


def found(name: str) -> str | None:
    """Path of the program."""
    unpacked = FOLDER / PROGRAMS[name]
    if unpacked.is_file():
        return str(unpacked)
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")


def _unpack(name: str) -> bool:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        return False
    FOLDER.mkdir(exist_ok=True)
    if not _quietly("apt-get", "download", "-q", name):
        if os.geteuid() != 0 or not _quietly("apt-get", "update", "-q"):
            return False
        if not _quietly("apt-get", "download", "-q", name):
            return False
    package = next(FOLDER.glob(f"{name}_*.deb"))
    done = _quietly("dpkg-deb", "-x", str(package), str(FOLDER))
    package.unlink()
    return done and _quietly(str(FOLDER / PROGRAMS[name]), "-v" if name == "nginx" else "version")


def _quietly(*command: str) -> bool:
    try:
        done = subprocess.run(
            command, cwd=FOLDER, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def main() -> None:
    """Fetch what is missing; never fails, the tests themselves tell what they skip."""
    for name in PROGRAMS:
        if not found(name) and not _unpack(name):
            shutil.rmtree(FOLDER / PROGRAMS[name], ignore_errors=True)
            print(f"NO {name.upper()}: it could not be fetched, its tests will be SKIPPED.")


if __name__ == "__main__":
    main()
