"""Seconds a request for access takes while the mail server works, refuses or hangs, and what comes
of the mails once it is well again.

Many people submit at the same moment against a real database; the mail servers are real ones on
loopback. "Hangs" takes connections and never says a word.

    python -m benchmarks.onboarding_under_load [--smoke]
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Barrier

from benchmarks.report import Report
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.mail import Postman, parse_sender, parse_server
from blossomtune_gradio.services.notices.mailer import Mailer
from blossomtune_gradio.services.notices.outbox import Outbox
from blossomtune_gradio.services.options import Options
from blossomtune_gradio.services.people.participants import ParticipantService
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.store.database import Database
from tests.mail_servers import HOST, Inbox, mail_server, silent_server
from tests.support import free_port, wait_for

WAYS = ("works", "refuses", "hangs")
TARGET_SECONDS = 1.0  # the slowest of all submissions, whatever the mail server does
_LIMIT = 120.0  # seconds for the mails to arrive afterwards


@contextmanager
def trouble(way: str, inbox: Inbox) -> Iterator[int]:
    """A mail server that behaves like this; its port."""
    if way == "works":
        with mail_server(inbox) as port:
            yield port
    elif way == "hangs":
        with silent_server() as port:
            yield port
    else:
        yield free_port()


def submit(service: ParticipantService, people: int) -> list[float]:
    """Seconds each of many requests took that were made at the same moment."""
    barrier = Barrier(people)

    def one(number: int) -> float:
        user = User(provider="hf", sub=f"{number}", name=f"p{number}", role=Role.PARTICIPANT)
        barrier.wait(60)
        began = time.monotonic()
        service.request_access(user, f"Site {number}", f"p{number}@example.org")
        return time.monotonic() - began

    with ThreadPoolExecutor(people) as pool:
        return list(pool.map(one, range(people)))


def once(way: str, people: int, folder: Path) -> tuple[list[float], float, int, bool]:
    """Seconds of each submission, seconds until all mails came, how many, and none came twice."""
    settings = Settings(data_dir=folder)
    database, inbox = Database(settings.database), Inbox()
    outbox = Outbox(database, delivers=True)
    service = ParticipantService(
        database, settings, Options(database, settings), outbox, lambda: None
    )
    with trouble(way, inbox) as port:
        mailer = sending(database, outbox, port)
        seconds = submit(service, people)
        if way != "works":
            time.sleep(1)  # the trouble lasts
        mailer.close()
    began = time.monotonic()
    with mail_server(inbox) as port:  # it recovers; the rest is sent
        mailer = sending(database, outbox, port)
        wait_for(lambda: len(inbox.mails) >= people, _LIMIT)
        recovered = time.monotonic() - began
        mailer.close()
    database.close()
    return seconds, recovered, len(inbox.mails), inbox.each_once()


def sending(database: Database, outbox: Outbox, port: int) -> Mailer:
    """A mailer at work, with the time limits of the product."""
    postman = Postman(parse_server(f"smtp://{HOST}:{port}"), parse_sender("fl@example.org"))
    mailer = Mailer(database, postman)
    outbox.on_new, outbox.on_hurry = mailer.wake, mailer.hurry
    mailer.open()
    return mailer


def percentile(values: list[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]


def main() -> None:
    """Measure in turns and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true", help="few people, to see that it works")
    smoke = parser.parse_args().smoke
    people, turns = (5, 1) if smoke else (50, 5)
    report, worst, lost, twice = Report("onboarding_under_load"), 0.0, 0, 0
    for way in WAYS:
        p50, p95, slowest, recovered = [], [], [], []
        for _ in range(turns):
            with TemporaryDirectory() as folder:
                seconds, until, came, each_once = once(way, people, Path(folder))
            p50.append(percentile(seconds, 0.5))
            p95.append(percentile(seconds, 0.95))
            slowest.append(max(seconds))
            recovered.append(until)
            lost, twice = lost + people - came, twice + (not each_once)
        report.add(f"mail server {way}: submit, p50", p50, "s")
        report.add(f"mail server {way}: submit, p95", p95, "s")
        report.add(f"mail server {way}: submit, slowest", slowest, "s")
        if way != "works":
            report.add(f"mail server {way}: all mails after it recovers", recovered, "s")
        worst = max(worst, *slowest)
    report.target("slowest submission, s", worst, TARGET_SECONDS, worst <= TARGET_SECONDS)
    report.target("mails lost", lost, 0, lost == 0)
    report.target("turns with a mail that came twice", twice, 0, twice == 0)
    report.print()


if __name__ == "__main__":
    main()
