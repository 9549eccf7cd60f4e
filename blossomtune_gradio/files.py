"""Writing the small files Flower's programs read: keys, certificates, TOML.

Such a file is either whole or absent: a crash in the middle of a start must not leave half a key.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_private(path: Path, content: bytes) -> None:
    """Put `content` into `path` in one step, readable by our own user only (0600).

    The folder must exist. Raises OSError when it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def private_folder(path: Path) -> None:
    """Make the folder, with its parents, for our own user only (0700)."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
