"""Scripts and style of the parts, as files with addresses of their own: native modules, no bundler.

The address has a digest of all of them in it (`parts/<digest>/header/view.js`): what is under it
never changes, so browsers keep it, and a module's relative imports (`../kit/dom.js`) lead to files
of the same digest by themselves. Limit: one changed file gives all of them new addresses, which
happens with a new version only. Surprise: nothing is looked up on disk when somebody asks; tests
(`*.test.js`) and whatever else lies in the folders have no address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path, PurePosixPath
from posixpath import normpath

FOLDER = Path(__file__).parent
STYLE = "style.css"
_IMPORT = re.compile(r'^(?:import|\}) [^"]*?from "(\.[^"]+)";$', re.MULTILINE)
_LOADER = """\
// events: {events}
import(new URL("{address}", document.baseURI)).then(
  ({{ mount }}) => mount({{ element, server, props, trigger, watch }}),
  (error) => {{
    element.textContent = "A part of this page did not load. Reload the page.";
    throw error;
  }},
);"""


@dataclass(frozen=True)
class Carrier:
    """`files` by name, such as `header/view.js`; `digest` is of all of them."""

    files: Mapping[str, bytes]
    digest: str

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> Carrier:
        """Such files with their digest."""
        digest = sha256()
        for name, content in files.items():
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        return cls(files, digest.hexdigest()[:16])

    def address(self, name: str) -> str:
        """Where a file is, relative to the base of the page."""
        return f"./parts/{self.digest}/{name}"

    def loader(self, part: str, triggers: Iterable[str] = ()) -> str | None:
        """What Gradio runs for a part: nothing but the import of its module; None without one.

        Gradio takes an event for one of the part's when its name stands in quotes in here.
        """
        name = f"{part}/view.js"
        if name not in self.files:
            return None
        events = " ".join(f'"{trigger}"' for trigger in triggers)
        return _LOADER.format(address=self.address(name), events=events)

    def modules(self, scripts: Iterable[str]) -> list[str]:
        """Names of the modules that such scripts import, and what those import in turn."""
        found = dict.fromkeys(
            name for script in scripts for name in self.files if self.address(name) in script
        )
        todo = list(found)
        while todo:
            new = [name for name in self._imports(todo.pop()) if name not in found]
            found.update(dict.fromkeys(new))
            todo += new
        return list(found)

    def _imports(self, name: str) -> list[str]:
        folder = PurePosixPath(name).parent
        wanted = _IMPORT.findall(self.files[name].decode())
        return [normpath(folder / one) for one in wanted]


@cache
def carrier() -> Carrier:
    """The files of this installation."""
    folders = {FOLDER / "kit", *(frame.parent for frame in FOLDER.glob("*/view.html"))}
    scripts = sorted(script for folder in folders for script in folder.glob("*.js"))
    files = {
        f"{script.parent.name}/{script.name}": script.read_bytes()
        for script in scripts
        if not script.name.endswith(".test.js")
    }
    files[STYLE] = stylesheet().encode()
    return Carrier.of(files)


def stylesheet() -> str:
    """The style of all parts, what they share first."""
    files = sorted(FOLDER.glob("*/*.css"), key=lambda file: (file.parent.name != "kit", file))
    shared = [FOLDER / "kit" / "style.css"]
    return "\n".join(
        file.read_text("utf-8") for file in [*shared, *(f for f in files if f not in shared)]
    )
