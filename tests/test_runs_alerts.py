"""Alerts: who is told, over real HTTP on loopback; signatures, retries, private addresses."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from standardwebhooks import Webhook as Signer
from standardwebhooks import WebhookVerificationError

from blossomtune_gradio.errors import InvalidInput, NotAllowed
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.logs import LogStore
from blossomtune_gradio.services.notices.outbox import Outbox
from blossomtune_gradio.services.notices.webhook_address import AddressGuard
from blossomtune_gradio.services.notices.webhooks import WebhookService
from blossomtune_gradio.services.runs.alerts import AlertService
from blossomtune_gradio.services.runs.book import RunBook
from blossomtune_gradio.services.runs.judging.end import Verdict
from blossomtune_gradio.store.models import Run, RunStatus, Webhook, now
from tests.people import ADMIN
from tests.support import wait_for

ADA = User(provider="hf", sub="1", name="Ada", role=Role.RESEARCHER, email="ada@example.org")


class Receiver(ThreadingHTTPServer):
    """Takes webhooks; `answers` are the statuses it gives, the last one for ever."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers = [204]
        super().__init__(("127.0.0.1", 0), _Hook)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"


class _Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Receiver)
        body = self.rfile.read(int(self.headers["content-length"]))
        server.got.append((dict(self.headers), body))
        status = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
        self.send_response(status)
        if status == 302:
            self.send_header("location", server.url)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing into the terminal."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def logs(tmp_path):
    return LogStore(tmp_path / "logs")


@pytest.fixture
def webhooks(database, logs):
    made = WebhookService(database, logs, AddressGuard("127.0.0.1"), pauses=(0.0, 0.0))
    yield made
    made.close()


@pytest.fixture
def alerts(database, webhooks):
    return AlertService(database, Outbox(database), webhooks)


@pytest.fixture
def book(database, logs, alerts):
    return RunBook(database, logs, alerts)


def submitted(book: RunBook, name: str = "one") -> Run:
    with book.database.write() as session:
        run = Run(name=name, app="app", config={}, partitions=1, created_by=ADA.id)
        session.add(run)
    assert book.submitted(run.id)
    return run


def test_a_webhook_is_signed_and_names_what_happened(book, webhooks, receiver):
    _, secret = webhooks.add(receiver.url, ["run_failed"], ADA)
    run = submitted(book)
    book.end(run.id, Verdict(RunStatus.FAILED, "It broke.", "exception"))
    webhooks.deliver_due()
    headers, body = receiver.got[0]
    stamp = headers["X-BlossomTune-Timestamp"]
    expected = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["X-BlossomTune-Signature"] == f"v1={expected}"
    assert abs(int(stamp) - time.time()) < 60
    lower = {name.lower(): value for name, value in headers.items()}
    assert secret.startswith("whsec_")
    assert Signer(secret).verify(body, lower) == json.loads(body)
    assert lower["webhook-id"] == f"msg_{json.loads(body)['id']}"
    said = json.loads(body)
    assert said["event"] == "run_failed"
    assert (said["run"]["name"], said["run"]["cause"]) == ("one", "It broke.")


def test_a_secret_from_before_the_standard_format_is_good_for_its_libraries(
    database, webhooks, receiver
):
    hook, _ = webhooks.add(receiver.url, ["run_failed"], ADA)
    with database.write() as session:
        session.get_one(Webhook, hook.id).secret = "a-secret_of-before"
    webhooks.test(hook.id, ADA)
    webhooks.deliver_due()
    headers, body = receiver.got[0]
    lower = {name.lower(): value for name, value in headers.items()}
    as_libraries_want_it = "whsec_" + base64.b64encode(b"a-secret_of-before").decode()
    assert Signer(as_libraries_want_it).verify(body, lower)["event"] == "test"
    with pytest.raises(WebhookVerificationError):
        Signer(as_libraries_want_it).verify(body + b" ", lower)
    stamp = headers["X-BlossomTune-Timestamp"].encode()
    expected = hmac.new(b"a-secret_of-before", stamp + b"." + body, hashlib.sha256).hexdigest()
    assert headers["X-BlossomTune-Signature"] == f"v1={expected}"


def test_only_the_chosen_events_and_the_chosen_run_are_told(book, webhooks, receiver):
    watched, other = submitted(book, "watched"), submitted(book, "other")
    webhooks.add(receiver.url, ["run_finished"], ADA, run_id=watched.id)
    book.end(other.id, Verdict(RunStatus.COMPLETED))
    book.end(watched.id, Verdict(RunStatus.COMPLETED))
    webhooks.deliver_due()
    assert [json.loads(body)["run"]["name"] for _, body in receiver.got] == ["watched"]


def test_what_is_refused_is_tried_again_then_given_up_and_shown(webhooks, receiver):
    hook, _ = webhooks.add(receiver.url, ["run_failed"], ADA)
    receiver.answers = [500, 204]
    webhooks.test(hook.id, ADA)
    webhooks.deliver_due()
    _, newest = webhooks.list(ADA)[0]
    assert (newest.status_word, newest.tries) == ("queued", 1)
    assert "answered 500" in newest.last_error
    webhooks.deliver_due()
    assert webhooks.list(ADA)[0][1].status_word == "sent"
    receiver.answers = [302]  # a redirect is not followed: it could lead anywhere
    webhooks.test(hook.id, ADA)
    for _ in range(4):
        webhooks.deliver_due()
    _, newest = webhooks.list(ADA)[0]
    assert (newest.status_word, newest.tries) == ("failed", 3)
    assert len(receiver.got) == 5


def test_a_worker_delivers_by_itself(webhooks, receiver):
    hook, _ = webhooks.add(receiver.url, ["run_failed"], ADA)
    webhooks.open()
    webhooks.test(hook.id, ADA)
    wait_for(lambda: receiver.got, 10)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/x",
        "file:///etc/passwd",
        "http://user:pass@example.org/",
        "http://",
        "no address",
        "http://127.0.0.1:9/",
        "http://localhost/",
        "http://10.1.2.3/",
        "http://192.168.1.1/",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://0.0.0.0/",
        "http://2130706433/",
    ],
)
def test_addresses_that_reach_into_the_server_are_refused(url):
    with pytest.raises(InvalidInput):
        AddressGuard().check(url)


def test_an_allowed_network_is_the_only_exception(database, logs, receiver):
    AddressGuard("127.0.0.1").check("http://127.0.0.1:9/")
    with pytest.raises(InvalidInput):
        AddressGuard("127.0.0.1").check("http://10.0.0.1/")
    careless = WebhookService(database, logs, AddressGuard("127.0.0.1"), pauses=())
    hook, _ = careless.add(receiver.url, ["run_failed"], ADA)
    strict = WebhookService(database, logs, AddressGuard(), pauses=())
    strict.test(hook.id, ADA)
    strict.deliver_due()  # asked again for each message: the name may lead elsewhere by now
    assert receiver.got == []
    assert "private network" in strict.list(ADA)[0][1].last_error


def test_people_hear_of_what_they_chose_and_of_the_runs_they_watch(book, alerts, database):
    outbox = Outbox(database)
    alerts.wish(["run_finished"], "", ADA)
    with pytest.raises(InvalidInput, match="e-mail"):
        alerts.wish(["run_failed"], "nonsense", ADMIN)
    alerts.wish([], "", ADMIN)
    first, second = submitted(book, "first"), submitted(book, "second")
    alerts.watch(second.id, True, "boss@example.org", ADMIN)
    book.end(first.id, Verdict(RunStatus.FAILED, "It broke.", "exception"))
    assert outbox.newest(ADMIN) == []
    book.waits(second.id, "Needs 3 sites.")
    book.still_waits(second.id, "Needs 3 sites.")
    book.end(second.id, Verdict(RunStatus.COMPLETED))
    mails = [(mail.kind, mail.recipient) for mail in outbox.newest(ADMIN)][::-1]
    assert mails == [
        ("run_waiting", "boss@example.org"),
        ("run_finished", "ada@example.org"),
        ("run_finished", "boss@example.org"),
    ]
    with pytest.raises(NotAllowed):
        alerts.wish([], "", User(provider="hf", sub="2", name="Bob"))


def test_who_wants_to_hear_of_lost_sites_is_mailed(database, alerts):
    alerts.wish(["site_lost"], "", ADA)
    with database.write() as session:
        alerts.site_lost(session, "North", now(), 12)
    (mail,) = Outbox(database).newest(ADMIN)
    assert (mail.kind, mail.recipient) == ("site_lost", "ada@example.org")
    assert "North" in mail.subject
    assert "12 minutes" in mail.body
