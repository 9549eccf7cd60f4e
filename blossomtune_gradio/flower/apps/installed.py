"""What Python would find beside an app: installed packages, looked for on the disk, never imported.

`flwr run` takes a component from an installed package too (`pip install -e .` of a `src` layout).
Limit: plain folders, `.pth` files and the finders setuptools writes; nothing is run to find out.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from importlib.machinery import BuiltinImporter, FrozenImporter
from pathlib import Path

_SITES = ("site-packages", "dist-packages")
_LARGEST = 64 * 1024  # bytes of a .pth file or a finder
_MOST_FILES = 200
_FIRST = frozenset(  # what `flwr` imports before it looks at an app
    {
        *("flwr", "google", "grpc", "numpy", "click", "typer", "tomli", "tomli_w", "pathspec"),
        *("anyio", "certifi", "cryptography", "fastapi", "httpx", "idna", "packaging", "pydantic"),
        *("pygments", "requests", "rich", "starlette", "urllib3", "yaml", "markdown_it"),
    }
)


class Installed:
    """The packages `flwr run` and a ServerApp find here, and when they last changed."""

    def __init__(self, more: Iterable[str] = ()) -> None:
        """`more`: further folders to look in, such as sys.path of a terminal."""
        self._sites = [Path(place) for place in sys.path if Path(place).name in _SITES]
        self._more = [Path(place) for place in more if place]
        self._known: tuple[str, tuple[list[Path], dict[str, Path]]] = ("", ([], {}))
        self._packages: tuple[str, Mapping[str, Sequence[str]]] = ("", {})

    @property
    def signature(self) -> str:
        """Changes when something is installed or removed."""
        return " ".join(str(_changed(place)) for place in self._sites)

    def has(self, top: str) -> bool:
        """Whether a top-level module of that name can be imported here."""
        return top in sys.stdlib_module_names or self._place(top) is not None

    def module(self, name: str) -> Path | None:
        """The file of a module, packages first, as Python looks."""
        top, *rest = name.split(".")
        place = self._place(top)
        if place is None:
            return None
        for part in rest:
            if not place.is_dir():
                return None
            place = place / part if (place / part).is_dir() else place / f"{part}.py"
        if place.is_dir():
            place /= "__init__.py"
        return place if place.is_file() else None

    def packages_of(self, top: str) -> Sequence[str]:
        """The installed packages that have a top-level module; read once until that changes."""
        if self._packages[0] != (signature := self.signature):
            self._packages = (signature, metadata.packages_distributions())
        return self._packages[1].get(top, [])

    def has_regular(self, top: str) -> bool:
        """Whether there is a package with __init__.py, or a module, of that name."""
        place = self._place(top)
        return place is not None and (place.is_file() or (place / "__init__.py").is_file())

    def _place(self, top: str) -> Path | None:
        """The folder or file of a top-level module."""
        found = _in(top, [*self._more, *self._sites])
        if found is not None:
            return found
        folders, mapped = self._editable()
        return mapped.get(top) or _in(top, folders)

    def _editable(self) -> tuple[list[Path], dict[str, Path]]:
        """Folders that .pth files name, and what the finders of `pip install -e` map."""
        if self._known[0] != (signature := self.signature):
            self._known = (signature, self._read_editable())
        return self._known[1]

    def _read_editable(self) -> tuple[list[Path], dict[str, Path]]:
        folders: list[Path] = []
        mapped: dict[str, Path] = {}
        for site in self._sites:
            for file in sorted(site.glob("*.pth"))[:_MOST_FILES]:
                lines = (line.strip() for line in _text(file).splitlines())
                folders += [
                    site / line for line in lines if line and not line.startswith(("#", "import"))
                ]
            for file in sorted(site.glob("__editable___*_finder.py"))[:_MOST_FILES]:
                mapped |= _mapping(_text(file))
        return folders, mapped


def hidden_by(top: str) -> str:
    """Why Python takes another module than the app's of that name, or ""."""
    if BuiltinImporter.find_spec(top) or FrozenImporter.find_spec(top):
        return "a part of Python itself"
    if top in sys.stdlib_module_names and top in sys.modules:
        return "a module of Python that Flower has loaded before"
    return "a package that Flower has loaded before" if top in _FIRST else ""


def _in(top: str, places: Iterable[Path]) -> Path | None:
    """Regular packages and modules, in the order of the places; then folders without __init__."""
    spaces: list[Path] = []
    for place in places:
        folder = place / top
        if (folder / "__init__.py").is_file():
            return folder
        if (place / f"{top}.py").is_file():
            return place / f"{top}.py"
        if any(place.glob(f"{top}.*.so")) or any(place.glob(f"{top}.abi3.so")):
            return folder
        if folder.is_dir():
            spaces.append(folder)
    return spaces[0] if spaces else None


def _mapping(source: str) -> dict[str, Path]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return {}
    for node in tree.body:
        target = node.target if isinstance(node, ast.AnnAssign) else None
        if (
            isinstance(target, ast.Name)
            and target.id == "MAPPING"
            and isinstance(node, ast.AnnAssign)
        ):
            try:
                found = ast.literal_eval(node.value) if node.value else {}
            except ValueError:
                return {}
            return {name: _package(Path(place)) for name, place in found.items()}
    return {}


def _package(place: Path) -> Path:
    return place if place.is_dir() else place.with_suffix(".py")


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(_LARGEST).decode("utf-8", "replace")
    except OSError:
        return ""


def _changed(place: Path) -> int:
    try:
        return place.stat().st_mtime_ns
    except OSError:
        return 0
