"""After the final dot nobody knows: no mail comes again and again, none waits for a slow one."""

import time
from contextlib import contextmanager
from datetime import timedelta

import pytest

from blossomtune_gradio.errors import NotFound, NotPossible
from blossomtune_gradio.mail import (
    Letter,
    MailNotTaken,
    MailUnknown,
    Patience,
    Postman,
    parse_sender,
    parse_server,
)
from blossomtune_gradio.services.notices.mailer import Mailer
from blossomtune_gradio.services.notices.outbox import Outbox
from blossomtune_gradio.services.people.participants import ParticipantService
from blossomtune_gradio.store.models import AuditEntry, Mail, now
from tests.mail_servers import Habit, odd_server
from tests.people import ADMIN, ask, mailed_code, person
from tests.support import wait_for

SENDER = parse_sender("fl@example.org")
PASSWORD = "open+sesame"
O365 = (
    "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. "
    "Visit https://aka.ms/smtp_auth_disabled for more information."
)


@pytest.fixture
def outbox(database):
    return Outbox(database, admins=lambda _: [], delivers=True)


@pytest.fixture
def sending(database, outbox):
    @contextmanager
    def start(port: int, end: float = 30, **options: float):
        server = parse_server(f"smtp://127.0.0.1:{port}")
        given = {"pause": 0.05, "longest_pause": 0.2, "mail_pause": 0.05} | options
        postman = Postman(server, SENDER, Patience(end=end))
        mailer = Mailer(database, postman, **given)
        outbox.on_new, outbox.on_hurry = mailer.wake, mailer.hurry
        mailer.open()
        try:
            yield mailer
        finally:
            mailer.close()

    return start


def put(database, outbox, *names: str, **more) -> None:
    for name in names:
        with database.write() as session:
            outbox.put(session, "denied", f"{name}@example.org", site=name, **more)


def words(database) -> list[str]:
    with database.read() as session:
        return [mail.status_word for mail in session.query(Mail).order_by(Mail.id)]


SILENT = {"end": 0.3}
UNKNOWN = [
    (Habit(seconds=30), SILENT, "had the whole mail and did not answer"),
    (Habit(after_dot=""), {}, "had the whole mail and hung up"),
    (Habit(after_dot="hello?"), {}, "gave no answer of SMTP"),
    (Habit(after_dot="99 bottles"), {}, "gave no answer of SMTP"),
    (Habit(after_dot="999 x"), {}, "gave no answer of SMTP"),
]


@pytest.mark.parametrize(("habit", "options", "said"), UNKNOWN)
def test_what_was_not_confirmed_comes_twice_and_then_an_admin_decides(
    database, outbox, sending, habit, options, said
):
    with odd_server(habit) as port, sending(port, **options):
        put(database, outbox, "ada")
        wait_for(lambda: words(database) == ["unknown"], 20)
        assert len(habit.came) == 2
        state = outbox.state(ADMIN)
        assert "1 mail: unknown whether it arrived" in state.sentence
        assert said in state.sentence
        assert (state.waiting, state.given_up, state.unknown) == (0, 0, 1)
        outbox.try_again(ADMIN)  # that is for those that did not arrive
        put(database, outbox, "eve", valid_until=now() - timedelta(seconds=1))
        wait_for(lambda: words(database) == ["unknown", "dropped"])
        assert len(habit.came) == 2
        habit.after_dot, habit.seconds = "250 ok", 0
        outbox.send_again(1, ADMIN)
        wait_for(lambda: words(database)[0] == "sent")
    ids = {line for mail in habit.came for line in mail.split(b"\r\n") if b"Message-ID" in line}
    assert (len(habit.came), len(ids)) == (3, 1)
    with database.read() as session:
        assert "mail.send_again" in {row.action for row in session.query(AuditEntry)}


def test_only_a_mail_in_doubt_is_sent_again(database, outbox):
    with pytest.raises(NotFound):
        outbox.send_again(7, ADMIN)
    put(database, outbox, "ada")
    with database.write() as session:
        session.query(Mail).one().status_word = "sent"
    with pytest.raises(NotPossible, match="it is sent"):
        outbox.send_again(1, ADMIN)


def test_a_slow_scanner_delays_its_own_mail_only_and_each_comes_once(database, outbox, sending):
    habit = Habit(seconds=3, calm=lambda mail: b"ada@" not in mail)
    with odd_server(habit) as port, sending(port, own_way=0.1):
        put(database, outbox, "ada", "bob", "carl")
        wait_for(lambda: words(database) == ["sending", "sent", "sent"])
        wait_for(lambda: words(database) == ["sent"] * 3)
    assert len(habit.came) == 3


CERTAIN = [
    (Habit(after_dot="451 later"), "refuses this mail (451 later)"),
    (Habit(after_dot="554 spam"), "refuses this mail (554 spam)"),
    (Habit(answers={"DATA": "451 not now"}), "refuses this mail (451 not now)"),
    (Habit(answers={"RCPT": "550 5.7.54 Unable to relay"}), "(550 5.7.54 Unable to relay)"),
    (Habit(answers={"MAIL": "421 4.7.0 Too many connections"}), "421 4.7.0 Too many connections"),
    (Habit(offers="AUTH PLAIN", answers={"AUTH": O365}), O365),
    (
        Habit(offers="AUTH LOGIN", answers={"AUTH": "534 5.7.9 App password required"}),
        "refuses our login (534 5.7.9 App password required)",
    ),
    (
        Habit(offers="AUTH PLAIN", answers={"AUTH": f"535 no {PASSWORD}, AGZsAG9wZW4rc2VzYW1l"}),
        "refuses our login (535 no (password), (password))",
    ),
    (
        Habit(offers="AUTH NTLM XOAUTH2"),
        "offers login by NTLM and XOAUTH2 only, and BlossomTune knows CRAM-MD5, LOGIN and PLAIN",
    ),
    (Habit(), "offers no login"),
]


@pytest.mark.parametrize(("habit", "said"), CERTAIN)
def test_a_clear_no_is_told_in_the_server_s_own_words(habit, said):
    login = "" if habit.answers and "AUTH" not in habit.answers else f"fl:{PASSWORD}@"
    login = "" if habit.after_dot.startswith(("4", "5")) else login
    with odd_server(habit) as port:
        postman = Postman(parse_server(f"smtp://{login}127.0.0.1:{port}"), SENDER)
        letter = Letter(recipient="a@example.org", subject="s", text="t", message_id="<1@x>")
        with pytest.raises(MailNotTaken) as refused:
            postman.send(letter)
    assert said in str(refused.value)
    assert not isinstance(refused.value, MailUnknown)
    assert PASSWORD not in str(refused.value)


def test_the_end_waits_for_no_answer_and_the_next_start_knows_of_the_doubt(
    database, outbox, sending
):
    habit = Habit(seconds=60)
    with odd_server(habit) as port:
        for tries in (1, 2):
            with sending(port) as mailer:
                if tries == 1:
                    put(database, outbox, "ada")
                wait_for(lambda tries=tries: len(habit.came) == tries)
                limit = time.monotonic() + 20
                mailer.close()
                assert time.monotonic() < limit
        assert words(database) == ["unknown"]


def test_after_two_crashes_in_the_middle_an_admin_decides(database, outbox, sending):
    habit = Habit()
    put(database, outbox, "ada")
    with database.write() as session:
        mail = session.query(Mail).one()
        mail.status_word, mail.unsure_tries = "sending", 1
    with odd_server(habit) as port, sending(port):
        wait_for(lambda: words(database) == ["unknown"])
    assert habit.came == []


def test_a_code_that_is_used_or_expired_or_replaced_is_not_sent_and_says_so(
    database, settings, options, outbox, sending
):
    people = ParticipantService(database, settings, options, outbox, lambda: None)
    for name in ("ada", "bob", "carl"):
        ask(people, person(name))
    people.confirm(person("ada"), mailed_code(outbox, person("ada")))
    people.withdraw(person("bob"))
    with database.write() as session:
        session.query(Mail).filter_by(recipient="carl@example.org").one().valid_until = now()
    habit = Habit()
    with odd_server(habit) as port, sending(port):
        put(database, outbox, "last")
        wait_for(lambda: words(database)[-1] == "sent")
    with database.read() as session:
        told = {mail.recipient[:3]: mail.last_error for mail in session.query(Mail)}
    assert told == {"ada": "used", "bob": "not needed", "car": "expired", "las": ""}
    assert len(habit.came) == 1
