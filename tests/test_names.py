"""A name is never taken for another: by blanks, invisible signs, alphabets, commas or prefixes."""

import logging
import unicodedata

import pytest
from sqlalchemy import select

import config
from blossomtune_gradio.errors import SettingsError
from blossomtune_gradio.identity import Role
from blossomtune_gradio.names import Entry, entry_of, is_plain, is_sub, shown
from blossomtune_gradio.providers import Provider, check_people
from blossomtune_gradio.services.people.accounts import AccountService
from blossomtune_gradio.services.people.pins import Person
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.store.models import RolePin
from tests.people import ADMIN

# All of Unicode's blanks, and what is not seen although Python takes it for a letter.
BLANKS = [chr(code) for code in range(0x110000) if chr(code).isspace()]
UNSEEN = list(
    "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u115f\u3164\uffa0\ufe0f\u2800\u180e\u061c"
)
UNSEEN += ["\u202e", "\u2066", "\x00", "\x1b", "\x7f", "\U000e0041", "\U000e0100", "\ud800"]
AROUND = [
    place.format(sign) for sign in BLANKS + UNSEEN for place in ("{}boss", "boss{}", "bo{}ss")
]
LOOK_ALIKES = [  # fullwidth, mathematical, Cyrillic, Greek, long s, dotless, capitals, composed
    *(
        "\uff42oss",
        "\U0001d41boss",
        "b\u043ess",
        "b\u03bfss",
        "bo\u017fs",
        "Boss",
        "BOSS",
        "bo\u0308ss",
    ),
    *("boss ", " boss", "boss.", "boss@", "bos", "bosss", "boss\\", "\u2063boss"),
]
FORGED = [  # names that try to be another entry, or the number of another account
    *("kc:boss", "sub:1", "kc:sub:1", "boss,kc:boss", ":boss", "hf:boss", "hf-org:lab"),
]


@pytest.fixture
def news(caplog) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "blossomtune_gradio")
    return caplog


@pytest.fixture
def accounts(database, settings) -> AccountService:
    entries = frozenset(("kc:boss", "kc:sub:1", "hf-org:lab", "hf-org:sub:o5"))
    made = Settings(data_dir=settings.data_dir, admins=entries)
    return AccountService(database, made)


def role(accounts: AccountService, sub: str, name: str, provider: str = "kc", **more) -> Role:
    who = Person(provider=provider, sub=sub, username=name, **more)
    return accounts.user_of(accounts.sign_in(who)).role


def test_no_name_but_the_very_same_text_gets_a_role(accounts, database):
    for number, name in enumerate((*AROUND, *LOOK_ALIKES, *FORGED, "")):
        assert role(accounts, f"x{number}", name) is Role.PARTICIPANT, ascii(name)
        assert role(accounts, f"y{number}", "eve", "hf", organisations=((f"o{number}z", name),)) < (
            Role.ADMIN
        ), ascii(name)
    with database.read() as session:
        assert list(session.scalars(select(RolePin))) == []
    assert role(accounts, "b", "boss") is Role.ADMIN


def test_no_name_is_shown_like_another(accounts):
    told = ["boss", *AROUND, *LOOK_ALIKES, *FORGED, "boss⟨U+00A0⟩", "⟨", "a  b", "a b"]
    one_form = {unicodedata.normalize("NFC", name) for name in told}
    assert len({shown(name) for name in told}) == len(one_form)
    assert all(shown(name).isprintable() for name in told)
    accounts.sign_in(Person(provider="kc", sub="7", username=" boss\u00a0"))
    assert accounts.accounts(ADMIN)[0].username == "⟨U+0020⟩boss⟨U+00A0⟩"


@pytest.mark.parametrize(
    "name", ["ada", "Ada Lovelace", "Lovelace, Ada", "jürgen", "李雷", "a@b.org"]
)
def test_everyday_names_are_shown_as_they_are_and_can_have_a_role(name):
    assert (shown(name), is_plain(name)) == (name, True)


def test_a_name_of_any_length_is_shown_in_200_characters():
    for name in ("x" * 10_000, "\u200b" * 10_000, " " * 10_000):
        assert len(shown(name)) == 200
        assert not is_plain(name)


def test_the_operator_is_told_of_look_alikes_and_of_each_new_pin(accounts, news):
    role(accounts, "666", " boss\u00a0")
    assert "kc:666 signed in as ⟨U+0020⟩boss⟨U+00A0⟩, which looks like kc:boss" in news.messages[-1]
    news.clear()
    role(accounts, "2", "boss")
    assert "kc:boss of the settings stands for kc:2" in news.messages[0]
    assert "kc:sub:2" in news.messages[0]
    role(accounts, "3", "somebody")
    assert len(news.messages) == 1


def test_who_is_named_by_number_is_it_whoever_comes_first_and_whatever_the_name(accounts, database):
    assert role(accounts, "666", "sub:1") is Role.PARTICIPANT
    assert role(accounts, "1", "any name") is Role.ADMIN
    assert role(accounts, "1", "another", "hf") is Role.PARTICIPANT
    assert role(accounts, "9", "m", "hf", organisations=(("o5", "x"),)) is Role.ADMIN
    assert role(accounts, "10", "n", "hf", organisations=(("o6", "sub:o5"),)) is Role.PARTICIPANT
    with database.read() as session:
        assert list(session.scalars(select(RolePin))) == []
        assert accounts.addresses_of_admins(session) == []


def test_an_admin_named_by_number_is_told_by_mail(accounts, database):
    accounts.sign_in(Person(provider="kc", sub="1", username="x", email="boss@example.org"))
    with database.read() as session:
        assert accounts.addresses_of_admins(session) == ["boss@example.org"]


def test_an_entry_is_a_name_or_a_number():
    assert entry_of("kc:ada") == Entry(provider="kc", value="ada", by="name")
    assert entry_of("kc:sub:a:b|c") == Entry(provider="kc", value="a:b|c", by="sub")
    assert [entry_of(text) for text in ("ada", "kc:", ":ada", "kc:sub:", "")] == [None] * 5
    assert is_sub("auth0|64f 0c")
    assert not any(is_sub(text) for text in ("", "ü", "a\n", "x" * 256))


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("kc:ada\u200b", "kc:sub:1234"),
        ("kc:\u00a0ada", "kc:sub:1234"),
        ("kc:ada\ufe0f", "cannot be seen"),
        ("kc:sub:ü", "ASCII"),
        ("kc:sub:", "like hf:ada"),
        ("other:sub:1", "no sign-in provider"),
    ],
)
def test_an_entry_that_can_stand_for_nobody_is_told_at_the_start(entry, said):
    kc = Provider(name="kc", label="", issuer="https://x.org", client_id="c", client_secret="s")
    with pytest.raises(SettingsError, match=said):
        check_people("BLOSSOMTUNE_ADMINS", [entry], (kc,))


def test_names_with_commas_stand_in_quotes():
    text = ' "kc:Lovelace, Ada", hf:bob,\n kc:DOM\\carl ,kc:say "hi",'
    assert config.load({"BLOSSOMTUNE_ADMINS": text}).admins == {
        *("kc:Lovelace, Ada", "hf:bob", "kc:DOM\\carl", 'kc:say "hi"')
    }
    with pytest.raises(SettingsError, match="double quote"):
        config.load({"BLOSSOMTUNE_ADMINS": '"kc:Lovelace, Ada,hf:bob'})
