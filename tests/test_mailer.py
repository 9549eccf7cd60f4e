"""Mails against real mail servers: refused, silent, slow, rude, and well again."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta

import pytest

from blossomtune_gradio.identity import LOCAL_ADMIN
from blossomtune_gradio.mail import (
    Letter,
    MailNotTaken,
    Patience,
    Postman,
    parse_sender,
    parse_server,
)
from blossomtune_gradio.services.notices.mailer import Mailer
from blossomtune_gradio.services.notices.outbox import Outbox
from blossomtune_gradio.services.people.participants import ParticipantService
from blossomtune_gradio.store.models import Mail, MailStatus, Participant, now
from blossomtune_gradio.tls import ensure_server_credentials
from tests.mail_servers import Inbox, mail_server, server_context, silent_server, text_of
from tests.people import ADMIN, person
from tests.support import free_port, wait_for

SENDER = parse_sender("Our federation <fl@example.org>")


@pytest.fixture
def outbox(database):
    return Outbox(database, admins=lambda _: ["admin@example.org"], delivers=True, readable=False)


@pytest.fixture
def sending(database, outbox):
    """Start a mailer for a server; quick pauses, so that a test need not wait for an hour."""

    @contextmanager
    def start(port: int, options: str = "", step: float = 0.5, **pauses: float):
        server = parse_server(f"smtp://127.0.0.1:{port}{options}")
        mailer = Mailer(
            database,
            Postman(server, SENDER, Patience(connect=step, step=step, data=step, end=step)),
            **({"pause": 0.05, "longest_pause": 0.2} | pauses),
        )
        outbox.on_new, outbox.on_hurry = mailer.wake, mailer.hurry
        mailer.open()
        try:
            yield mailer
        finally:
            mailer.close()

    return start


def put(database, outbox, *names: str, kind: str = "denied") -> None:
    for name in names:
        with database.write() as session:
            outbox.put(session, kind, f"{name}@example.org", site=name, code="ABCD-EFGH")


def words(database) -> list[str]:
    with database.read() as session:
        return [mail.status_word for mail in session.query(Mail).order_by(Mail.id)]


def test_a_mail_is_sent_as_text_and_html_as_soon_as_it_is_committed(database, outbox, sending):
    inbox = Inbox()
    with mail_server(inbox) as port, sending(port):
        put(database, outbox, "ada")
        wait_for(lambda: words(database) == ["sent"])
    (message,) = inbox.messages()
    assert message["To"] == "ada@example.org"
    assert message["From"] == "Our federation <fl@example.org>"
    assert message["Subject"] == "ada was not approved"
    assert message["Auto-Submitted"] == "auto-generated"
    assert [part.get_content_type() for part in message.iter_parts()] == [
        "text/plain",
        "text/html",
    ]


def test_a_mail_of_a_change_that_was_undone_is_never_sent(database, outbox, sending):
    inbox = Inbox()
    with mail_server(inbox) as port, sending(port):
        with suppress(ZeroDivisionError), database.write() as session:
            outbox.put(session, "denied", "ada@example.org", site="x")
            1 / 0  # noqa: B018 - the change fails
        put(database, outbox, "bob")
        wait_for(lambda: words(database) == ["sent"])
    assert [message["To"] for message in inbox.messages()] == ["bob@example.org"]


def test_while_the_server_refuses_admins_read_why_and_when_it_is_tried_again(
    database, outbox, sending, caplog
):
    with sending(free_port(), pause=30, longest_pause=30):
        put(database, outbox, "ada", "bob", "carl")
        wait_for(lambda: outbox.state(ADMIN).error)
        state = outbox.state(ADMIN)
    assert state.waiting == 3
    assert state.sentence.startswith("3 mails waiting: connection refused by 127.0.0.1:")
    assert f", next try {state.next_try_at:%H:%M} UTC." in state.sentence
    assert state.tone == "bad"
    assert not any("example.org" in line for line in caplog.messages)
    assert caplog.messages  # the log is read by many


def test_after_it_recovers_each_mail_is_delivered_once(database, outbox, sending):
    port, inbox = free_port(), Inbox()
    with sending(port):
        put(database, outbox, *(f"p{number}" for number in range(10)))
        wait_for(lambda: outbox.state(ADMIN).error)
        with mail_server(inbox, port):
            wait_for(lambda: words(database) == ["sent"] * 10, 20)
    assert len(inbox.mails) == 10
    assert inbox.each_once()
    assert outbox.state(ADMIN).sentence == "All mails are sent."


def test_a_mail_that_was_on_its_way_when_we_crashed_keeps_its_id(database, outbox, sending):
    inbox = Inbox()
    with mail_server(inbox) as port:
        with sending(port):
            put(database, outbox, "ada")
            wait_for(lambda: words(database) == ["sent"])
        with database.write() as session:  # as if we had died before we could write it down
            session.query(Mail).one().status_word = MailStatus.SENDING.value
        with sending(port):
            wait_for(lambda: len(inbox.mails) == 2)
    first, second = inbox.messages()
    assert first["Message-ID"] == second["Message-ID"]


def test_a_slow_server_gets_its_time_and_each_mail_once(database, outbox, sending):
    inbox = Inbox(seconds=0.3)
    with mail_server(inbox) as port, sending(port, step=5):
        put(database, outbox, "ada", "bob", "carl")
        wait_for(lambda: words(database) == ["sent"] * 3)
    assert (len(inbox.mails), inbox.attempts) == (3, 3)


def test_a_server_that_drips_is_given_up_after_the_total_time():
    """Each byte comes in time, the mail never ends: only the limit of the whole helps."""
    ending = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                while not ending.wait(0.1):
                    try:
                        connection.sendall(b"2")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        server = parse_server(f"smtp://127.0.0.1:{listener.getsockname()[1]}")
        postman = Postman(server, SENDER, Patience(connect=60, step=0.5))
        with pytest.raises(MailNotTaken, match="does not answer in time"):
            postman.send(
                Letter(recipient="a@example.org", subject="s", text="t", message_id="<1@x>")
            )
        ending.set()
        thread.join(10)


def test_a_temporary_refusal_of_one_mail_holds_no_other_up(database, outbox, sending):
    inbox = Inbox(at_recipient=lambda to: "450 grey listed" if "ada" in to else "")
    with mail_server(inbox) as port, sending(port):
        put(database, outbox, "ada", "bob")
        wait_for(lambda: words(database) == ["failed", "sent"])
        state = outbox.state(ADMIN)
        assert "refuses this recipient (450 grey listed)" in state.sentence
        assert state.waiting == 1
        assert state.next_try_at > now() + timedelta(seconds=30)
        inbox.at_recipient = lambda _: ""
        assert outbox.try_again(ADMIN) == 1
        wait_for(lambda: words(database) == ["sent", "sent"])
    assert len(inbox.mails) == 2


def test_a_final_refusal_is_not_repeated_until_an_admin_says_so(database, outbox, sending):
    inbox = Inbox(at_data=lambda: "554 \x1b[31mno spam\x1b[0m")
    with mail_server(inbox) as port, sending(port):
        put(database, outbox, "ada")
        wait_for(lambda: words(database) == ["failed"])
        inbox.at_data = lambda: ""
        put(database, outbox, "bob")
        wait_for(lambda: words(database) == ["failed", "sent"])
        state = outbox.state(ADMIN)
        assert (state.waiting, state.given_up) == (0, 1)
        assert "1 mail refused for good: " in state.sentence
        assert "\x1b" not in state.sentence
        outbox.try_again(ADMIN)
        wait_for(lambda: words(database) == ["sent", "sent"])


@pytest.mark.concurrent
def test_while_the_server_is_silent_nobody_waits_and_nothing_is_lost(
    database, settings, options, outbox, sending
):
    people = ParticipantService(database, settings, options, outbox, lambda: None)
    users = [person(f"p{number}") for number in range(50)]

    def submit(user) -> float:
        began = time.monotonic()
        people.request_access(user, f"Site {user.name}", f"{user.sub}@example.org")
        return time.monotonic() - began

    with silent_server() as port, sending(port):
        put(database, outbox, "first")
        wait_for(lambda: "does not answer" in outbox.state(ADMIN).error)
        with ThreadPoolExecutor(50) as pool:
            # The promise is a second (benchmark onboarding_under_load); a mail server alone would
            # hold each of them for minutes. Generous, for a busy machine.
            assert max(pool.map(submit, users)) < 10
        assert outbox.state(ADMIN).waiting == 51
    with database.read() as session:
        assert session.query(Participant).count() == 50
    inbox = Inbox()
    with mail_server(inbox) as port, sending(port, step=5):
        outbox.try_again(ADMIN)
        wait_for(lambda: set(words(database)) == {"sent"}, 60)
    assert len(inbox.mails) == 51
    assert inbox.each_once()


@pytest.mark.concurrent
def test_a_silent_server_does_not_hold_up_the_end(database, outbox, sending):
    with silent_server() as port, sending(port, step=60) as mailer:
        put(database, outbox, "ada")
        wait_for(lambda: _tries(database) == 1)
        time.sleep(0.2)  # now it waits for a greeting
        limit = time.monotonic() + 20
        mailer.close()
        assert time.monotonic() < limit
        assert mailer.loop.is_over
    assert words(database) == ["failed"]
    with database.read() as session:
        assert session.query(Mail).one().next_try_at <= now()


def _tries(database) -> int:
    with database.read() as session:
        return session.query(Mail).one().tries


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return ensure_server_credentials(tmp_path_factory.mktemp("tls"), ["127.0.0.1", "localhost"])


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_mail_goes_through_tls_with_login_and_a_checked_certificate(scheme, certificates):
    inbox = Inbox()
    context = server_context(str(certificates.cert), str(certificates.key))
    login = {"authenticator": inbox.login, "auth_require_tls": False, "auth_required": True}
    tls = {"ssl_context": context} if scheme == "smtps" else {"tls_context": context}
    option = "&starttls=1" if scheme == "smtp" else ""
    with mail_server(inbox, **tls, **login) as port:
        address = f"{scheme}://ada:open%20sesame@127.0.0.1:{port}?ca={certificates.ca_cert}{option}"
        letter = Letter(recipient="b@example.org", subject="s", text="hello", message_id="<1@x>")
        Postman(parse_server(address), SENDER).send(letter)
        assert inbox.logins == [("ada", "open sesame")]
        assert text_of(inbox.messages()[0]).strip() == "hello"
        untrusted = address.replace(f"ca={certificates.ca_cert}", "")
        with pytest.raises(MailNotTaken, match=r"certificate of .* cannot be trusted"):
            Postman(parse_server(untrusted), SENDER).send(letter)
        wrong = address.replace("open%20sesame", "s3cret")
        with pytest.raises(MailNotTaken, match="refuses our login") as caught:
            Postman(parse_server(wrong), SENDER).send(letter)
        assert "s3cret" not in str(caught.value)
        assert "s3cret" not in repr(parse_server(wrong))
    assert len(inbox.mails) == 1


def test_a_server_without_starttls_is_not_talked_to_in_clear():
    inbox = Inbox()
    with mail_server(inbox) as port:
        postman = Postman(parse_server(f"smtp://127.0.0.1:{port}?starttls=1"), SENDER)
        with pytest.raises(MailNotTaken, match="offers no STARTTLS"):
            postman.send(
                Letter(recipient="b@example.org", subject="", text="t", message_id="<1@x>")
            )
    assert inbox.mails == []


def test_codes_cannot_be_read_by_admins_where_mails_are_sent(database, outbox, sending):
    put(database, outbox, "ada", kind="code")
    assert [mail.body for mail in outbox.newest(LOCAL_ADMIN)] == [""]
    inbox = Inbox()
    with mail_server(inbox) as port, sending(port):
        wait_for(lambda: words(database) == ["sent"])
    assert "ABCD-EFGH" in text_of(inbox.messages()[0])
    with database.read() as session:
        mail = session.query(Mail).one()
        assert "ABCD" not in mail.body + mail.html + mail.subject


def test_of_two_codes_that_wait_only_the_newer_one_is_sent(
    database, settings, options, outbox, sending
):
    people = ParticipantService(database, settings, options, outbox, lambda: None)
    ada = person("ada")
    people.request_access(ada, "North", "ada@example.org")
    people.withdraw(ada)
    people.request_access(ada, "North", "ada@example.org")
    inbox = Inbox()
    with mail_server(inbox) as port, sending(port):
        wait_for(lambda: "sent" in words(database))
    assert words(database) == ["dropped", "sent"]
    code = next(w for w in text_of(inbox.messages()[0]).split() if len(w) == 9 and w[4] == "-")
    people.confirm(ada, code)
