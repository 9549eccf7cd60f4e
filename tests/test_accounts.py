"""Accounts, sessions and roles: who is what, because of which entry, and until when."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from blossomtune_gradio.errors import NotAllowed, NotFound, NotPossible, SettingsError
from blossomtune_gradio.identity import Role
from blossomtune_gradio.providers import Provider, github
from blossomtune_gradio.services.people.accounts import AccountService
from blossomtune_gradio.services.people.pins import Person
from blossomtune_gradio.settings import LOCAL_HOSTS, Settings
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import AuditEntry, SignIn, now
from tests.people import ADMIN, person


def named(sub: str, username: str, provider: str = "hf", *orgs: tuple[str, str]) -> Person:
    return Person(provider=provider, sub=sub, username=username, organisations=orgs)


@pytest.fixture
def accounts(database: Database, settings: Settings) -> AccountService:
    return service(database, settings)


def service(database: Database, settings: Settings, **options: object) -> AccountService:
    given = {name: frozenset(value.split()) for name, value in options.items()}
    return AccountService(database, Settings(data_dir=settings.data_dir, **given))


def role(accounts: AccountService, who: Person) -> Role:
    return accounts.user_of(accounts.sign_in(who)).role


def actions(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def test_everybody_who_signed_in_is_a_participant_and_nobody_else(accounts):
    session_id = accounts.sign_in(named("1", "ada"), "203.0.113.7")
    user = accounts.user_of(session_id, "203.0.113.8")
    assert (user.id, user.name, user.role) == ("hf:1", "ada", Role.PARTICIPANT)
    assert user.address == "203.0.113.8"
    for wrong in ("", "x", session_id[:-1]):
        assert accounts.user_of(wrong).role is Role.ANYONE


def test_names_in_the_settings_have_their_role_with_that_provider_only(database, settings):
    accounts = service(database, settings, admins="hf:ada", researchers="keycloak:bob hf:ada")
    assert role(accounts, named("1", "ada")) is Role.ADMIN
    assert role(accounts, named("1", "ada", "keycloak")) is Role.PARTICIPANT
    assert role(accounts, named("2", "bob")) is Role.PARTICIPANT
    assert role(accounts, named("2", "bob", "keycloak")) is Role.RESEARCHER


def test_who_takes_over_a_name_inherits_nothing_and_a_renamed_admin_stays_admin(database, settings):
    accounts = service(database, settings, admins="hf:ada")
    assert role(accounts, named("1", "ada")) is Role.ADMIN
    assert role(accounts, named("1", "ada-lovelace")) is Role.ADMIN
    assert role(accounts, named("666", "ada")) is Role.PARTICIPANT
    assert actions(database).count("role.pin") == 1


def test_who_is_taken_out_of_the_settings_has_lost_the_role_at_once(database, settings):
    session_id = service(database, settings, admins="hf:ada").sign_in(named("1", "ada"))
    assert service(database, settings).user_of(session_id).role is Role.PARTICIPANT


def test_members_of_an_organisation_have_its_role_until_they_leave(database, settings):
    accounts = service(database, settings, researchers="hf-org:lab")
    assert role(accounts, named("1", "ada", "hf", ("o1", "lab"))) is Role.RESEARCHER
    assert role(accounts, named("2", "bob", "hf", ("o1", "lab"), ("o2", "x"))) is Role.RESEARCHER
    assert role(accounts, named("1", "ada", "hf")) is Role.PARTICIPANT
    assert role(accounts, named("3", "eve", "hf", ("o9", "lab"))) is Role.PARTICIPANT


def test_an_admin_grants_and_takes_researcher_and_it_holds_from_the_next_call(accounts, database):
    session_id = accounts.sign_in(named("1", "ada"))
    accounts.grant_researcher("hf:1", by=ADMIN)
    assert accounts.user_of(session_id).role is Role.RESEARCHER
    known = accounts.accounts(ADMIN)[0]
    assert (known.role, known.because) == (Role.RESEARCHER, ("researcher, granted by an admin",))
    with pytest.raises(NotPossible, match="already"):
        accounts.grant_researcher("hf:1", by=ADMIN)
    accounts.take_researcher("hf:1", by=ADMIN)
    assert accounts.user_of(session_id).role is Role.PARTICIPANT
    assert actions(database) == ["account.sign_in", "role.grant", "role.take"]


def test_what_the_settings_say_cannot_be_taken_on_the_page(database, settings):
    accounts = service(database, settings, researchers="hf:ada")
    accounts.sign_in(named("1", "ada"))
    with pytest.raises(NotPossible, match="BLOSSOMTUNE_RESEARCHERS"):
        accounts.take_researcher("hf:1", by=ADMIN)
    with pytest.raises(NotFound):
        accounts.grant_researcher("hf:99", by=ADMIN)


def test_only_an_admin_sees_accounts_and_changes_roles(accounts):
    accounts.sign_in(named("1", "ada"))
    for act in (
        accounts.accounts,
        lambda by: accounts.grant_researcher("hf:1", by=by),
        lambda by: accounts.take_researcher("hf:1", by=by),
    ):
        with pytest.raises(NotAllowed):
            act(person("ada"))


def test_accounts_are_found_by_what_they_contain_and_signs_stand_for_themselves(accounts):
    for number, name in enumerate(("ada", "adam", "100%")):
        accounts.sign_in(named(str(number), name))
    assert {one.username for one in accounts.accounts(ADMIN, "ADA")} == {"ada", "adam"}
    assert [one.username for one in accounts.accounts(ADMIN, "%")] == ["100%"]
    assert len(accounts.accounts(ADMIN, limit=2)) == 2


def test_a_name_that_cannot_be_stored_or_would_turn_the_page_around_is_made_harmless(accounts):
    accounts.sign_in(
        Person(provider="hf", sub="7", username="half\ud800", name="\u202eevil\x1b[31m\n\x00red")
    )
    account = accounts.accounts(ADMIN, "half")[0]
    assert (account.username, account.name) == ("half⟨U+D800⟩", "evil red")


def test_a_name_with_invisible_signs_is_not_taken_for_the_one_without(database, settings):
    accounts = service(database, settings, admins="hf:ada")
    for number, odd in enumerate(("ada\u200f", "ada\x00", "\u202eada", "ada\ud800")):
        assert role(accounts, named(str(number), odd)) is Role.PARTICIPANT
    assert role(accounts, named("a", "ada")) is Role.ADMIN


def test_signing_out_ends_one_session_and_everywhere_ends_all(accounts):
    first, second, third = (accounts.sign_in(named("1", "ada")) for _ in range(3))
    other = accounts.sign_in(named("2", "bob"))
    accounts.sign_out(first)
    assert [accounts.user_of(s).role for s in (first, second)] == [Role.ANYONE, Role.PARTICIPANT]
    accounts.sign_out_everywhere(accounts.user_of(second))
    assert {accounts.user_of(s).role for s in (second, third)} == {Role.ANYONE}
    assert accounts.user_of(other).role is Role.PARTICIPANT


def test_a_new_session_takes_the_place_of_the_one_before(accounts):
    old = accounts.sign_in(named("1", "ada"))
    accounts.sign_in(named("1", "ada"), instead_of=old)
    assert accounts.user_of(old).role is Role.ANYONE


def test_a_session_ends_by_itself_and_its_row_goes_with_the_next_sign_in(accounts, database):
    session_id = accounts.sign_in(named("1", "ada"))
    with database.write() as session:
        session.execute(update(SignIn).values(expires_at=now() - timedelta(seconds=1)))
    assert accounts.user_of(session_id).role is Role.ANYONE
    accounts.sign_in(named("2", "bob"))
    with database.read() as session:
        assert [row.account_id for row in session.scalars(select(SignIn))] == ["hf:2"]


def test_the_database_never_holds_what_a_browser_holds(accounts, settings, database):
    session_id = accounts.sign_in(named("1", "ada"))
    database.close()
    for file in settings.data_dir.iterdir():
        assert session_id.encode() not in file.read_bytes()


# -- settings ------------------------------------------------------------------------------


def provider(**changed: str) -> Provider:
    given = {"name": "kc", "label": "KC", "client_id": "c", "client_secret": "s"}
    return Provider(**(given | {"issuer": "https://id.example.org"} | changed))


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "callback"},
        {"name": "local"},
        {"name": "a:b"},
        {"name": "../x"},
        {"client_secret": ""},
        {"issuer": ""},
        {"issuer": "http://id.example.org"},
        {"issuer": "ftp://127.0.0.1"},
    ],
)
def test_a_provider_that_cannot_be_trusted_is_refused(changed):
    with pytest.raises(SettingsError):
        provider(**changed)


def test_plain_http_is_for_a_provider_on_this_machine_only():
    assert provider(issuer="http://127.0.0.1:8080").issuer
    with pytest.raises(SettingsError, match="https"):
        github("c", "s", api="http://api.example.org/")


def test_a_secret_is_not_shown():
    assert "hidden-word" not in repr(Settings(providers=(provider(client_secret="hidden-word"),)))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"host": "0.0.0.0"}, "sign-in provider"),
        ({"public_url": "https://fl.example.org"}, "sign-in provider"),
        ({"host": "0.0.0.0", "providers": (provider(),)}, "https"),
        (
            {"public_url": "http://fl.example.org", "providers": (provider(),)},
            "https",
        ),
        ({"public_url": "https://x.org/path", "providers": (provider(),)}, "PUBLIC_URL"),
        ({"public_url": "x.org", "providers": (provider(),)}, "PUBLIC_URL"),
        ({"providers": (provider(), provider())}, "Two"),
        ({"admins": frozenset(("ada",))}, "hf:ada"),
        ({"admins": frozenset(("google:a",)), "providers": (provider(),)}, "google"),
        ({"researchers": frozenset(("hf-org:a",)), "providers": (provider(),)}, "hf"),
    ],
)
def test_an_unsafe_or_impossible_setting_is_told_in_a_sentence(options, said):
    with pytest.raises(SettingsError, match=said):
        Settings(**options)


def test_half_a_certificate_or_one_that_is_not_there_is_refused(tmp_path):
    cert = tmp_path / "cert.pem"
    cert.touch()
    with pytest.raises(SettingsError, match="TLS_KEY"):
        Settings(tls_cert=cert)
    with pytest.raises(SettingsError, match="TLS_KEY"):
        Settings(tls_cert=cert, tls_key=tmp_path / "none.pem")


def test_a_public_address_with_a_provider_is_taken():
    made = Settings(host="0.0.0.0", public_url="https://fl.example.org/", providers=(provider(),))
    assert (made.public_url, made.is_https) == ("https://fl.example.org", True)
    assert made.hosts - LOCAL_HOSTS == {"fl.example.org"}
