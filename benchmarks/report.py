"""What every benchmark prints: a small table, then one line of JSON for machines.

A figure is a list of measured values of which minimum, median and maximum are shown; a target
compares one number with what was promised. Knows nothing about what is measured.
"""

import importlib.metadata
import json
import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path

PACKAGES = ("flwr", "gradio", "fastapi", "uvicorn", "sqlalchemy", "torch", "transformers")


class Report:
    """Collects figures and targets of one benchmark and prints them at its end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._figures: dict[str, dict[str, float | str]] = {}
        self._targets: dict[str, tuple[float, float, bool]] = {}

    def add(self, figure: str, values: Sequence[float], unit: str) -> None:
        """Record the values of one figure; `unit` as shown, e.g. "s" or "MB"."""
        if not values:
            raise ValueError(f"There are no values for {figure!r}.")
        self._figures[figure] = {
            "min": min(values),
            "median": statistics.median(values),
            "max": max(values),
            "n": len(values),
            "unit": unit,
        }

    def median(self, figure: str) -> float:
        """The median of a recorded figure."""
        return float(self._figures[figure]["median"])

    def target(self, name: str, figure: float, target: float, met: bool) -> None:
        """Record what was promised: the measured `figure`, the promised `target`, kept or not."""
        self._targets[name] = (figure, target, bool(met))

    def print(self) -> None:
        """The table and, as the last line, the JSON object."""
        width = max([len(name) for name in (*self._figures, *self._targets)] + [len(self._name)])
        print(f"\n{self._name:<{width}}  {'min':>10} {'median':>10} {'max':>10}")
        for name, f in self._figures.items():
            row = " ".join(f"{f[key]:>10.4g}" for key in ("min", "median", "max"))
            print(f"{name:<{width}}  {row} {f['unit']}")
        for name, (figure, target, met) in self._targets.items():
            print(f"{name:<{width}}  {figure:.4g}, target {target:g}: {'met' if met else 'MISSED'}")
        print(json.dumps(self._as_dict()), flush=True)

    def _as_dict(self) -> dict[str, object]:
        return {
            "benchmark": self._name,
            "figures": self._figures,
            "machine": machine(),
            "versions": versions(),
            "targets": {name: list(values) for name, values in self._targets.items()},
        }


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    return {
        "system": platform.system(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": _memory_gb(),
    }


def versions() -> dict[str, str]:
    """Python and the packages that matter for the figures, as far as they are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _memory_gb() -> float:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return 0.0
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1)
