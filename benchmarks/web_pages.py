"""Starts our page or a bare Gradio page of the same versions, and waits until it answers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

BARE = """
import os, sys
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
import gradio as gr
with gr.Blocks() as page:
    gr.Markdown("ready")
page.launch(server_name="127.0.0.1", server_port=int(sys.argv[1]), quiet=True)
"""
_LIMIT = 120.0  # seconds


@dataclass(frozen=True)
class Started:
    """A page that answers."""

    url: str
    pid: int
    seconds: float  # from the start of the process to the first 200
    fleet_port: int  # of the listener for sites, where there is one


def bare(port: int, _folder: Path) -> list[str]:
    """The command of a one-line Gradio page."""
    return [sys.executable, "-c", BARE, str(port)]


def ours(port: int, folder: Path) -> list[str]:
    """The command of our page, on an empty data directory."""
    serve = "import sys; from blossomtune_gradio.cli import main; sys.exit(main(sys.argv[1:]))"
    options = ["serve", "--port", str(port), "--data-dir", str(folder / "data")]
    return [sys.executable, "-c", serve, *options]


PAGES = {"bare": bare, "ours": ours}


@contextmanager
def started(name: str) -> Iterator[Started]:
    """The page `bare` or `ours`, ended afterwards."""
    with TemporaryDirectory() as folder:
        port, fleet_port = _free_port(), _free_port()
        began = time.monotonic()
        child = subprocess.Popen(
            PAGES[name](port, Path(folder)),
            stdout=subprocess.DEVNULL,
            env=_environment(fleet_port),
            start_new_session=True,
        )
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_for_200(url, child, began)
            yield Started(url, child.pid, time.monotonic() - began, fleet_port)
        finally:
            child.terminate()
            child.wait(30)


def _environment(fleet_port: int) -> dict[str, str]:
    return {**os.environ, "BLOSSOMTUNE_FLEET_PORT": str(fleet_port)}


def _wait_for_200(url: str, child: subprocess.Popen[bytes], began: float) -> None:
    with httpx.Client(trust_env=False) as client:
        while True:
            try:
                if client.get(url).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            if child.poll() is not None or time.monotonic() - began > _LIMIT:
                raise RuntimeError(f"{url} did not answer within {_LIMIT:g} s")
            time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
