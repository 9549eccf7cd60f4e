"""Raises every exception of `recorded/exceptions.toml` for real and tells how Flower reports it.

A program of its own, because the libraries are large, some of the code ends processes, and what is
imported stays. Each piece of code is a module of an app as Flower unpacks it, so that a traceback
has the frames it has in a real run. Output: one JSON object, by id:

    {"reason": an error reply's reason, "details": the run's details, "log": [lines of its log]}

`python -m tests.raising --record` writes the texts of what is installed into the table.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import json
import logging
import os
import re
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parent / "recorded" / "exceptions.toml"
_APP = "apps/somebody.some-app.1.0.0.0a1b2c3d"
_QUIET = {
    "HF_ENDPOINT": "http://127.0.0.1:9",  # refuses, at once and everywhere
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "NO_PROXY": "*",
    "LC_ALL": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
}


def entries() -> list[dict[str, Any]]:
    """The table."""
    return tomllib.loads(TABLE.read_text("utf-8"))["raised"]


def installed(entry: dict[str, Any]) -> bool:
    """Whether what its code imports is here."""
    return all(importlib.util.find_spec(name) is not None for name in entry.get("needs", ()))


def _module(folder: Path, entry: dict[str, Any]) -> str:
    name = entry["id"].replace("-", "_")
    package = folder / _APP / "some_app"
    package.mkdir(parents=True, exist_ok=True)
    body = "\n".join(f"    {line}" for line in entry["code"].strip().splitlines())
    (package / f"{name}.py").write_text(f"def main():\n{body}\n", "utf-8")
    return f"some_app.{name}"


def _raised(name: str) -> BaseException | None:
    """What comes out of a ServerApp whose main calls it."""
    from flwr.serverapp import ServerApp

    server = ServerApp()

    importlib.invalidate_caches()

    @server.main()
    def main(grid: object, context: object) -> None:
        importlib.import_module(name).main()

    try:
        server(grid=None, context=None)  # type: ignore[arg-type]
    except Exception as error:  # noqa: BLE001 - as Flower does
        return error
    return None


def _told(error: BaseException) -> dict[str, Any]:
    """As flwr's run_clientapp and run_serverapp write it."""
    from flwr.supercore.logger import log

    handler: Any = logging.getLogger("flwr").handlers[0]
    stream = io.StringIO()
    before = handler.setStream(stream)
    log(logging.INFO, "Start `flwr-serverapp` process")
    log(logging.ERROR, "%s raised an exception", "ServerApp", exc_info=error)
    log(logging.ERROR, "Exit Code: 201\n\nAn unhandled exception occurred in the ServerApp.\n")
    handler.setStream(before)
    return {
        "reason": str(type(error)) + ":<'" + str(error) + "'>",
        "details": f"ServerApp failed with exception: {error!s}",
        "log": stream.getvalue().splitlines(),
    }


def raised_anew() -> dict[str, dict[str, Any]]:
    """All that can be raised here."""
    sleep, time.sleep = time.sleep, lambda seconds: sleep(min(seconds, 0.01))  # between retries
    told: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / _APP).mkdir(parents=True)
        sys.path.insert(0, str(Path(folder) / _APP))
        for entry in filter(installed, entries()):
            here = Path(folder) / entry["id"]
            here.mkdir()
            os.chdir(here)
            error = _raised(_module(Path(folder), entry))
            told[entry["id"]] = _told(error) if error is not None else {}
        os.chdir("/")
        text = json.dumps(told)
    text = re.sub(r'[^"\s(]+(?=/lib/python3\.\d+/)', "/srv/venv", text).replace(folder, "/srv/home")
    anew: dict[str, dict[str, Any]] = json.loads(text)
    return anew


def record(anew: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the reasons into the table, for machines without these libraries."""
    head, *blocks = TABLE.read_text("utf-8").split("[[raised]]\n")
    for at, entry in enumerate(entries()):
        if reason := anew.get(entry["id"], {}).get("reason"):
            lines = blocks[at].rstrip("\n").split("\n")
            lines = [line for line in lines if not line.startswith("said = ")]
            blocks[at] = "\n".join(
                [*lines, f"said = {json.dumps(reason, ensure_ascii=False)}", "", ""]
            )
    TABLE.write_text("[[raised]]\n".join([head, *blocks]).rstrip("\n") + "\n", "utf-8")


if __name__ == "__main__":
    os.environ |= _QUIET
    sys.stdout, out = sys.stderr, sys.stdout  # libraries print
    found = raised_anew()
    if "--record" in sys.argv:
        record(found)
    print(json.dumps(found), file=out, flush=True)
    os._exit(0)  # threads and worker pools of the libraries are of no use any more
