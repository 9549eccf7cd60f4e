"""`blossomtune doctor`: is this installation fit, and what is wrong where it is not?"""

from __future__ import annotations

import argparse

import config
from blossomtune_gradio.cli.client import Client, add_server
from blossomtune_gradio.cli.output import Commands, show
from blossomtune_gradio.errors import BlossomError, SettingsError


def add_to(commands: Commands) -> None:
    """The one command."""
    doctor = commands.add_parser("doctor", help="check the installation; 0 good, 1 not")
    doctor.set_defaults(run=_doctor)
    add_server(doctor)


def _doctor(arguments: argparse.Namespace) -> int:
    from blossomtune_gradio.services.checkup import check_all

    settings = config.load(data_dir=arguments.data_dir)
    surroundings = _surroundings()
    server = _server(arguments)
    found = [(f.name, f.good, f.sentence) for f in check_all(settings, server_runs=server[1])]
    found.insert(0, surroundings)
    found.append(("server", True, server[0]))
    if server[1]:
        found.append(_superlink(arguments))
        found.append(_background(arguments))
    rows = [{"check": name, "good": good, "sentence": text} for name, good, text in found]
    lines = [f"{'PASS' if good else 'FAIL'}  {name}: {text}" for name, good, text in found]
    show(arguments, rows, lines)
    return 0 if all(good for _, good, _ in found) else 1


def _surroundings() -> tuple[str, bool, str]:
    """The variables that others set. One that stops HTTP clients also keeps us from the server."""
    try:
        return "surroundings", True, " ".join(config.left_out()) or "no variable is in our way"
    except SettingsError as error:
        return "surroundings", False, str(error)


def _server(arguments: argparse.Namespace) -> tuple[str, bool]:
    """What to say of it, and whether it answers."""
    try:
        with Client(arguments) as server:
            health = server.get("/health")
            return f"{server.address.url} answers, {health['online']} sites online", True
    except BlossomError as error:
        return f"not running. {error}", False


def _background(arguments: argparse.Namespace) -> tuple[str, bool, str]:
    """What the server does by itself: whether every part of it goes on."""
    with Client(arguments) as server:
        loops = server.get("/health")["loops"]
    if not loops:
        return "background", True, "only admins see how it goes on"
    faulty = [loop for loop in loops if loop["faults"]]
    told = " ".join(
        f"{loop['name']}: {loop['faults']} of {loop['turns']} turns failed, the last one at "
        f"{loop['last_fault_at']}: {loop['last_fault']}"
        for loop in faulty
    )
    if any(loop["stumbles"] for loop in loops):
        return "background", False, f"{told} Look at tracebacks.txt in the folder logs."
    return "background", True, told or f"{len(loops)} loops go on, none had a fault"


def _superlink(arguments: argparse.Namespace) -> tuple[str, bool, str]:
    with Client(arguments) as server:
        found = server.get("/superlink")
        trouble = server.get("/health")["trouble"]
    bad = [p for p in found["processes"] if p["state"] in ("failed", "exited", "backing off")]
    if trouble or bad:
        reasons = [trouble, *(f"{p['name']} is {p['state']}: {p['reason']}" for p in bad)]
        return "SuperLink", False, " ".join(filter(None, reasons)) + " Look at: blossomtune log"
    states = ", ".join(f"{p['name']} {p['state']}" for p in found["processes"])
    return "SuperLink", True, states
