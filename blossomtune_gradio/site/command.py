"""The command: check, make the key, join, stay."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from .kit import Site, existing_key, fingerprint, public_key, read_site
from .member import Member
from .network import Way
from .preflight import FAIL, PASS, SKIP, Check, look_here, up_to_first_fault
from .reports import Reports
from .surroundings import mend
from .words import FIX_HERE, STOPPED, Problem, echo, say

WARM_PLATFORMS = ("linux",)  # elsewhere a fork after importing torch may crash


def main() -> int:
    options = parsed()
    folder = options.dir.resolve()
    for left_out in mend(os.environ):
        echo(f"{left_out}\n")
    try:
        if options.check:
            return check(folder)
        return join(read_site(folder), plain=options.plain, once=options.once)
    except Problem as problem:
        say(str(problem))
        return problem.code
    except KeyboardInterrupt:  # before there was anything to stop
        return STOPPED


def parsed() -> argparse.Namespace:
    kit = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description="Join a federation with this site's data.")
    parser.add_argument("--dir", type=Path, default=kit, help="folder of the kit")
    parser.add_argument("--check", action="store_true", help="look whether all is ready, then end")
    parser.add_argument("--plain", action="store_true", help="no warm executor: slower, simpler")
    parser.add_argument("--once", action="store_true", help="end when the SuperNode ends")
    return parser.parse_args()


def check(folder: Path) -> int:
    """Print a line for each check; 0 when none failed, else 2. Tells the admin, too."""
    try:
        site = read_site(folder)
    except Problem as problem:
        echo(f"{FAIL} kit: {problem.sentence} Fix: {problem.fix}\n")
        return FIX_HERE
    found, answer = looked_at(site, token=True)
    reports = Reports(site, found)
    if passed(found, "token"):
        reports.learn(answer)
    for one in reports.checks:
        echo(f"{one.line()}\n")
    failed = sum(one.state == FAIL for one in found)
    if passed(found, "tls"):
        tell(site, reports)
    if failed:
        echo(f"Not ready: {failed} of {len(found)} checks failed.\n")
        return FIX_HERE
    echo(f"Ready: the way to {site.superlink} is open. Now run join.py without --check.\n")
    return STOPPED


def looked_at(site: Site, *, token: bool) -> tuple[list[Check], dict[str, Any]]:
    """What was found, and what the server answered to our token, if it was asked."""
    way, found = Way(site), look_here(site)
    key_is_good = passed(found, "key")
    try:
        found += up_to_first_fault(way.steps(token=token and key_is_good))
    finally:
        way.close()
    if token and not key_is_good:
        found.append(Check("token", SKIP, "needs what key looks at."))
    return found, way.welcome


def passed(found: list[Check], name: str) -> bool:
    return any(one.name == name and one.state == PASS for one in found)


def tell(site: Site, reports: Reports) -> None:
    """Hand the report in; the key is only named when it can be read."""
    if passed(reports.checks, "key") and site.key.exists():
        reports.fingerprint = fingerprint(existing_key(site))
    if trouble := reports.send():
        echo(f"The admin was not told of this: {trouble}\n")


def join(site: Site, *, plain: bool, once: bool) -> int:
    """Check, loudly only what is wrong; then stay in the federation until somebody stops us."""
    say(f"Joining as {site.site}.")
    found, _ = looked_at(site, token=False)
    for one in found:
        if one.state not in (PASS, SKIP):
            say(one.line())
    if any(one.stops for one in found):
        if passed(found, "tls"):
            tell(site, Reports(site, found))
        return FIX_HERE
    key = public_key(site)
    warm = not plain and sys.platform.startswith(WARM_PLATFORMS)
    reports = Reports(site, found, fingerprint(key))
    return Member(site, key, reports, warm=warm, once=once).stay()
