"""A new Flower app from our own template: it runs as it is, and belongs to whoever made it.

Nothing in it knows BlossomTune. It is written beside its place and renamed, so that the list of
apps never shows half of one.
"""

from __future__ import annotations

import importlib.util
import json
import keyword
import re
import secrets
import shutil
import sys
from pathlib import Path
from string import Template

from blossomtune_gradio.errors import InvalidInput, NotPossible

_TEMPLATE = Path(__file__).with_name("new_app")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,31}")  # Flower's rule
_LONGEST_TITLE = 60
_AT_THE_TOP = frozenset({"pyproject.toml", "README.md"})


def new_app(folder: Path, name: str, title: str = "") -> Path:
    """Make `folder/name` with a working app and return it.

    Raises:
        InvalidInput: the name is not one Flower takes, or that of an installed package.
        NotPossible: there is such a folder already, or nothing can be written there.
    """
    name, title = name.strip(), title.strip() or name.strip()
    words = _words(name, title)
    place = folder / name
    if place.exists() or place.is_symlink():
        raise NotPossible(f"There is an app {name} already. Choose another name.")
    draft = folder / f".{name}.{secrets.token_hex(4)}"
    try:
        (draft / words["package"]).mkdir(parents=True)
        for file in sorted(_TEMPLATE.glob("*.txt")):
            target = file.name.removesuffix(".txt")
            where = draft if target in _AT_THE_TOP else draft / words["package"]
            (where / target).write_text(Template(file.read_text("utf-8")).substitute(words))
        draft.rename(place)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise NotPossible(
            f"{place} cannot be written ({error.strerror}). Correct the rights of the folder."
        ) from error
    return place


def _words(name: str, title: str) -> dict[str, str]:
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{name[:60]!r} cannot be the name of an app. Take a letter first, then letters, "
            "digits and hyphens, at most 32 in all."
        )
    if len(title) > _LONGEST_TITLE or not title.isprintable():
        raise InvalidInput(f"The title must be one line of at most {_LONGEST_TITLE} letters.")
    package = name.replace("-", "_").lower()
    if keyword.iskeyword(package) or package in sys.stdlib_module_names or _installed(package):
        raise InvalidInput(
            f"{name} is the name of a Python package, which the app would hide. Choose another, "
            f"such as my-{name}."[:200]
        )
    heading = re.sub(r"([\\`*_\[\]<>#])", r"\\\1", title)
    return {
        "name": name,
        "package": package,
        "title": json.dumps(title, ensure_ascii=False),  # TOML reads it as JSON does
        "heading": heading,
    }


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
