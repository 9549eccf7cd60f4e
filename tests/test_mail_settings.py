"""What an operator sets up for mail: server, sender, templates; what is told when it is wrong."""

import tempfile
from pathlib import Path

import pytest

import config
from blossomtune_gradio.errors import SettingsError
from blossomtune_gradio.mail import parse_sender, parse_server
from blossomtune_gradio.services.notices.mail_templates import KINDS, Templates
from blossomtune_gradio.services.notices.mailer import postman
from blossomtune_gradio.settings import Settings

DOCS = Path(__file__).parent.parent / "docs" / "mail.md"


@pytest.mark.parametrize(
    ("url", "port", "tls"),
    [
        ("smtp://mail.example.org", 587, "starttls"),
        ("smtp://mail.example.org:2525?starttls=0", 2525, "none"),
        ("smtp://localhost", 25, "none"),
        ("smtp://127.0.0.1?starttls=yes", 587, "starttls"),
        ("smtps://mail.example.org", 465, "tls"),
        ("smtps://u:p@mail.example.org:4650", 4650, "tls"),
    ],
)
def test_one_address_says_where_and_how(url, port, tls):
    server = parse_server(url)
    assert (server.port, server.tls) == (port, tls)


def test_user_and_password_may_have_any_sign():
    server = parse_server("smtps://fl%40example.org:p%40%2F%23%3Aw@mail.example.org")
    assert (server.user, server.password) == ("fl@example.org", "p@/#:w")


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.org",
        "http://mail.example.org",
        "smtp://",
        "smtp://u:hush@mail.example.org:many",
        "smtp://u:hush@mail.example.org:99999",
        "smtp://u:hush@mail.example.org?starttls=0",
        "smtp://u:hush@mail.example.org?starttls=perhaps",
        "smtps://u:hush@mail.example.org?starttls=1",
        "smtp://u:hush@mail.example.org?tls=1",
        "smtp://u:hu/sh@mail.example.org",
        "smtp://u:hush@mail.example.org/inbox",
        "smtps://u:hush@mail.example.org?ca=/no/such/file",
    ],
)
def test_an_address_that_cannot_be_used_is_told_without_the_password(url):
    with pytest.raises(SettingsError, match="BLOSSOMTUNE_SMTP_URL") as caught:
        parse_server(url)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "nobody", "a@b.org, c@d.org", "a@b.org\nBcc: c@d.org"])
def test_a_sender_that_is_not_one_address_stops_the_start(text):
    with pytest.raises(SettingsError, match="BLOSSOMTUNE_MAIL_FROM"):
        parse_sender(text)


def test_the_password_is_not_shown_with_the_settings():
    settings = config.load({"BLOSSOMTUNE_SMTP_URL": "smtps://u:hush@mail.example.org"})
    assert "hush" not in repr(settings)


def test_server_sender_and_admins_belong_together():
    assert postman(Settings()) is None
    with pytest.raises(SettingsError, match="no sender"):
        postman(Settings(smtp_url="smtp://localhost"))
    made = postman(Settings(smtp_url="smtps://fl%40example.org:p@mail.example.org"))
    assert made is not None
    assert made.sender.addr_spec == "fl@example.org"
    with pytest.raises(SettingsError, match="BLOSSOMTUNE_ADMIN_EMAILS"):
        postman(config.load({"BLOSSOMTUNE_ADMIN_EMAILS": "ada@example.org, bob"}))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_has_a_subject_a_text_and_html(kind):
    words = {"code": "ABCD-EFGH", "site": "North & <South>", "page": "https://fl.example.org"}
    mail = Templates().render(kind, words)
    assert mail.subject
    assert "{" not in mail.subject + mail.text + mail.html
    assert "https://fl.example.org" in mail.html
    assert "<South>" not in mail.html
    assert f"`{kind}`" in DOCS.read_text()


def own(tmp_path: Path, **files: str) -> Templates:
    for name, text in files.items():
        (tmp_path / name.replace("_", ".", 1)).write_text(text)
    return Templates(tmp_path)


def test_an_operators_template_replaces_ours_file_by_file(tmp_path, caplog):
    example = DOCS.read_text().split("```\nSubject:")[1].split("```")[0]
    templates = own(tmp_path, approved_txt=f"Subject:{example}")
    mail = templates.render("approved", {"site": "North", "partition": 3})
    assert mail.subject == "Willkommen, North"
    assert mail.text.startswith("North hat Partition 3.")
    assert "is approved" in mail.html  # ours
    (tmp_path / "approved.txt").write_text("Subject: New\n\nwords\n")
    assert templates.render("approved", {}).subject == "New"  # without a restart
    assert caplog.messages == []


@pytest.mark.parametrize(
    "broken",
    [
        "no subject",
        "Subject: only that",
        "Subject: x\n\n{% if %}",
        "Subject: x\n\n{{ 1 / 0 }} {{ code }}",
        "Subject: x\n\n{{ ''.__class__.__mro__[1].__subclasses__() }} {{ code }}",
        "Subject: x\n\n{% include '/etc/passwd' %} {{ code }}",
        "Subject: x\n\nthe code was forgotten",
    ],
)
def test_a_broken_template_costs_no_mail_and_is_told(tmp_path, broken, caplog):
    templates = own(tmp_path, code_txt=broken)
    mail = templates.render("code", {"code": "ABCD-EFGH"})
    assert mail.subject == "Your code for BlossomTune"
    assert "ABCD-EFGH" in mail.text
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("Your mail template code cannot be used")


def test_a_folder_of_templates_that_is_none_stops_the_start():
    with tempfile.TemporaryDirectory() as folder:
        missing = Path(folder) / "missing"
    with pytest.raises(SettingsError, match="BLOSSOMTUNE_MAIL_TEMPLATES_DIR"):
        Templates(missing)


def test_a_mail_says_what_its_sender_tells():
    kit = Templates().render("kit_taken", {"site": "North", "by": "Ada", "hours": 24.0})
    assert "downloaded by Ada." in kit.text
    assert "for 24 hours" in kit.text
    lost = Templates().render("site_lost", {"site": "North", "last_seen": "2026-01-02 03:04 UTC"})
    assert "last seen 2026-01-02 03:04 UTC" in lost.text
    run = Templates().render("run_finished", {"run": "r", "status": "stopped", "cause": "by Ada"})
    assert "has ended: stopped." in run.text
