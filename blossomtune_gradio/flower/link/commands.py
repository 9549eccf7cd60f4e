"""The programs of Flower we start: their arguments, their environment, their answers.

Only builders of lists and texts, apart from `prepare_home` and `write_connection`, which write the
folder a program is started with. Nothing here starts anything.

Surprise: `flwr run --format json` exits 0 when it was refused; only its output tells.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import tomli_w

from blossomtune_gradio.errors import FlowerError, FlowerUnreachable
from blossomtune_gradio.files import private_folder, write_private
from blossomtune_gradio.flower.link import server_process
from blossomtune_gradio.flower.link.failures import FlowerRefused
from blossomtune_gradio.tls import ServerCredentials

LOOPBACK = "127.0.0.1"
_NOTHING: Mapping[str, str] = MappingProxyType({})
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_LATER = re.compile(r"database cannot be used now|503 Service Unavailable")  # patient_superlink.py
_LAUNCHERS = "bin"  # folder of a home, before all others in the search path
# A shell reads the second line, Python takes it for a string. A path with blanks is no harm so.
_LAUNCHER = """\
#!/bin/sh
'''exec' "{0}" -P "$0" "$@"
'''
import runpy
if __name__ == "__main__":
    runpy.run_path({1!r}, run_name="__main__")
"""
_REFUSAL = re.compile(r"\[code: (\d+)\]\s*(.*)", re.DOTALL)


def child_environment(
    home: Path, extra: Mapping[str, str] = _NOTHING, *, path: str = "/usr/bin:/bin"
) -> dict[str, str]:
    """All that a Flower program inherits. A ServerApp inherits it too: never put a secret here.

    `home` is the program's own folder (see `prepare_home`), `path` the search path of the
    machine, before which our own programs are found. `extra` wins: proxies, HF_HOME, CUDA…
    """
    others = {name: value for name, value in extra.items() if name.upper() != "NO_PROXY"}
    exceptions = [value for name, value in extra.items() if name not in others and value]
    return {
        "PATH": f"{home / _LAUNCHERS}:{Path(sys.executable).parent}:{path}",
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",  # else a run's log arrives in one piece at the end
        "FLWR_HOME": str(home),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        **others,
        "NO_PROXY": ",".join((LOOPBACK, "localhost", *exceptions)),  # our own calls stay here
    }


def prepare_home(home: Path) -> None:
    """Make the folder `child_environment` points at. Raises OSError.

    Who looks there for `flwr-serverapp`, as Flower's executor does, finds `server_process`.
    """
    private_folder(home)
    private_folder(home / "tmp")
    private_folder(home / _LAUNCHERS)
    launcher = home / _LAUNCHERS / "flwr-serverapp"
    write_private(launcher, _LAUNCHER.format(sys.executable, server_process.__file__).encode())
    launcher.chmod(0o700)


def write_connection(home: Path, name: str, address: str, ca_cert: Path) -> None:
    """Let `flwr … NAME`, started with this home, find the SuperLink at `address` (host:port).

    Replaces Flower's config.toml there. Raises OSError.
    """
    prepare_home(home)
    connection = {"address": address, "root-certificates": str(ca_cert.resolve())}
    text = tomli_w.dumps({"superlink": {"default": name, name: connection}})
    write_private(home / "config.toml", text.encode())


def superlink_argv(
    port: int, credentials: ServerCredentials, database: Path, secret: Path
) -> list[str]:
    """The SuperLink: on loopback only, because its port also carries APIs without any login."""
    return [
        *(sys.executable, "-P", str(Path(__file__).with_name("patient_superlink.py"))),
        *("--host", LOOPBACK, "--port", str(port)),
        *("--ssl-ca-certfile", str(credentials.ca_cert)),
        *("--ssl-certfile", str(credentials.cert)),
        *("--ssl-keyfile", str(credentials.key)),
        "--enable-supernode-auth",
        *("--isolation", "process"),
        *("--superexec-auth-secret-file", str(secret)),
        *("--database", str(database)),
        "--disable-runtime-dependency-installation",
    ]


def superexec_argv(port: int, credentials: ServerCredentials, secret: Path) -> list[str]:
    """The executor that starts the ServerApps of the SuperLink on `port`."""
    return [
        _program("flower-superexec"),
        *("--runtime-api-address", f"{LOOPBACK}:{port}"),
        *("--root-certificates", str(credentials.ca_cert)),
        *("--superexec-auth-secret-file", str(secret)),
    ]


def run_argv(app_dir: Path, connection: str, run_config_file: Path | None = None) -> list[str]:
    """Submit a run. The file must end in .toml, or Flower takes its name for a key."""
    if run_config_file is not None and run_config_file.suffix != ".toml":
        raise ValueError(f"{run_config_file} must end in .toml")
    config = [] if run_config_file is None else ["--run-config", str(run_config_file)]
    return [_program("flwr"), "run", str(app_dir), connection, *config, "--format", "json"]


def shown_command(argv: Sequence[str], environment: Mapping[str, str] = _NOTHING) -> str:
    """The command as a line to paste into a shell. `environment` is what it must see set."""
    settings = [f"{name}={shlex.quote(value)}" for name, value in environment.items()]
    return " ".join([*settings, shlex.join(argv)])


def plain_supernode_command(
    address: str,
    *,
    partition_id: int,
    partitions: int,
    key: str = "site.key",
    ca_cert: str | None = "ca.pem",
) -> str:
    """What a person with a key of their own types, instead of running our kit.

    `address` is host:port as seen from the site; `ca_cert` None when the certificate is one that
    every machine trusts.
    """
    trust = [] if ca_cert is None else [f"--root-certificates {shlex.quote(ca_cert)}"]
    parts = [
        "flower-supernode",
        *trust,
        f"--superlink {shlex.quote(address)}",
        f"--auth-supernode-private-key {shlex.quote(key)}",
        f"--node-config 'partition-id={partition_id} num-partitions={partitions}'",
    ]
    return " \\\n  ".join(parts)


def parse_run_output(text: str) -> int:
    """The run id in what `flwr run --format json` wrote (both streams, other lines may stand by).

    Raises FlowerRefused with Flower's reason, FlowerUnreachable when it says to come again later,
    FlowerError when there is no answer in it at all.
    """
    plain = without_ansi(text)
    for answer in _json_objects(plain):
        if answer.get("success") is True:
            return _run_id(answer)
        if answer.get("success") is False:
            raise _refused(str(answer.get("error-message", "")))
    said = " ".join(_spoken(plain).split())
    raise FlowerError(f"flwr run gave no answer. It said: {said[-600:] or 'nothing'}")


def without_ansi(text: str) -> str:
    """The text without colours and cursor moves, which Flower writes even into a file."""
    return _ANSI.sub("", text)


def _program(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def _json_objects(text: str) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder()
    at = text.find("{")
    while at >= 0:
        try:
            found, end = decoder.raw_decode(text, at)
        except ValueError:
            found, end = None, at + 1
        if isinstance(found, dict):
            yield found
        at = text.find("{", end)


def _run_id(answer: Mapping[str, Any]) -> int:
    try:
        return int(answer["run-id"])  # a string: it does not fit into a JavaScript number
    except (KeyError, TypeError, ValueError) as error:
        raise FlowerError("flwr run succeeded but told no run id; look into its output.") from error


def _refused(message: str) -> FlowerError:
    spoken = _spoken(message)
    if _LATER.search(spoken):
        return FlowerUnreachable(" ".join(spoken.split()))
    if found := _REFUSAL.search(spoken):
        return FlowerRefused(int(found[1]), " ".join(found[2].split()))
    return FlowerRefused(0, " ".join(spoken.split()))


def _spoken(text: str) -> str:
    """Without the line by which every command of Flower introduces itself."""
    lines = without_ansi(text).splitlines()
    return "\n".join(line for line in lines if not line.startswith("Using SuperLink:"))
