"""Memory of the web process, ours against a bare one-line Gradio page of the same versions.

Resident set after the first answer and after the page was fetched a hundred times.

    python -m benchmarks.memory [--smoke]
"""

import argparse

import httpx
import psutil

from benchmarks.report import Report
from benchmarks.web_pages import PAGES, started

TARGET_MB = 300.0


def megabytes(pid: int) -> float:
    """Resident memory of one process."""
    return float(psutil.Process(pid).memory_info().rss) / 1e6


def main() -> None:
    """Measure in turns and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true", help="one turn, to see that it works")
    smoke = parser.parse_args().smoke
    fresh: dict[str, list[float]] = {name: [] for name in PAGES}
    used: dict[str, list[float]] = {name: [] for name in PAGES}
    for _ in range(1 if smoke else 5):
        for name in PAGES:
            with started(name) as page, httpx.Client(trust_env=False) as client:
                fresh[name].append(megabytes(page.pid))
                for _ in range(5 if smoke else 100):
                    client.get(page.url).raise_for_status()
                used[name].append(megabytes(page.pid))
    report = Report("memory")
    for name in PAGES:
        report.add(f"{name}: after the first answer", fresh[name], "MB")
        report.add(f"{name}: after a hundred pages", used[name], "MB")
    ratios = [a / b for a, b in zip(used["ours"], used["bare"], strict=True)]
    report.add("ours / bare", ratios, "x")
    most = max(used["ours"])
    report.target("web process, MB", most, TARGET_MB, most <= TARGET_MB)
    report.print()


if __name__ == "__main__":
    main()
