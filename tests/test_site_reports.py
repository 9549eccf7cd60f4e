"""What a site tells of its machine: who may, who may read it, and what is refused."""

import ssl

import httpx
import pytest

from blossomtune_gradio.application import Application
from blossomtune_gradio.errors import NotAllowed, NotPossible
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.services.people.limits import TooOften
from blossomtune_gradio.services.sites.joining import TokenRefused
from blossomtune_gradio.services.sites.reports import Report
from blossomtune_gradio.store.models import Participant, now
from blossomtune_gradio.web.server import WebServer
from tests.people import ADMIN, PrivateKey, approved, person
from tests.test_kits import fresh_key, token_of

GOOD = {"good": True, "checks": [{"name": "flwr", "state": "PASS", "sentence": "1.41.0"}]}
RESEARCHER = User(provider="local", sub="rita", name="Rita", role=Role.RESEARCHER)
BIG = "x" * 10_000_000
REPORT, JOIN = "/api/v1/join/report", "/api/v1/join"


@pytest.fixture
def app(settings):
    made = Application(settings)
    yield made
    made.close()


@pytest.fixture
def ada(app):
    return approved(app.participants, app.outbox, "ada")


@pytest.fixture
def token(app, ada):
    return token_of(app.kits.make(ada.id, by=ADMIN))


@pytest.fixture
def doors(app):
    """Both ways in, each as a client: the page's port and the TLS listener for sites."""
    with WebServer(app) as server:
        trust = ssl.create_default_context(cafile=str(app.credentials.ca_cert))
        page = httpx.Client(base_url=server.url, trust_env=False)
        fleet = httpx.Client(
            base_url=f"https://{app.fleet_address()}", verify=trust, trust_env=False
        )
        with page, fleet:
            yield page, fleet


def test_a_report_is_shown_to_its_owner_and_to_admins_only(app, ada, token):
    assert app.site_reports.latest(ada.id, by=ADMIN) is None
    app.site_reports.take(token, Report.model_validate(GOOD))
    for reader in (ADMIN, person("ada")):
        kept = app.site_reports.latest(ada.id, by=reader)
        assert kept.good
        assert kept.report["checks"][0]["ok"]
    with pytest.raises(NotAllowed):
        app.site_reports.latest(ada.id, by=person("bob"))


def test_only_the_newest_report_is_kept_but_the_last_failure_stays(app, ada, token):
    app.site_reports.take(token, Report.model_validate(GOOD | {"tail": "ValueError: no data"}))
    app.site_reports.take(token, Report.model_validate(GOOD | {"good": False}))
    kept = app.site_reports.latest(ada.id, by=ADMIN)
    assert not kept.good
    assert kept.report["tail"] == "ValueError: no data"


def test_what_a_site_writes_is_made_harmless(app, ada, token):
    nasty = "\x1b[31mred\x1b[0m \u202egnp.exe\x00"
    told = GOOD | {
        "checks": [{"name": nasty, "state": "FAIL", "sentence": nasty}],
        "versions": {"os": nasty},
        "machine": {"gpus": [nasty]},
        "tail": f"first\n  {nasty}\n",
    }
    app.site_reports.take(token, Report.model_validate(told))
    text = repr(app.site_reports.latest(ada.id, by=ADMIN).report)
    assert not any(bad in text for bad in ("\\x1b", "\\u202e", "\\x00", "\u202e"))
    assert "first\\n  red" in text


def test_a_token_reports_while_it_lasts_and_then_with_the_key_it_brought_in(app, ada, token):
    key = PrivateKey()
    app.kits.join(*key.handed_in(token))
    with app.database.write() as session:
        session.get_one(Participant, ada.id).token_expires_at = now()
    with pytest.raises(TokenRefused, match="expired"):
        app.site_reports.take(token, Report.model_validate(GOOD))
    known = {"fingerprint": app.kits.accept_key(ada.id, key.openssh, by=ADMIN).fingerprint}
    app.site_reports.take(token, Report.model_validate(GOOD | known))


def test_the_token_of_one_site_does_not_report_for_the_key_of_another(app, ada, token):
    bob = approved(app.participants, app.outbox, "bob")
    key = app.kits.accept_key(bob.id, fresh_key(), by=ADMIN)
    with pytest.raises(NotPossible, match="another site"):
        app.site_reports.take(token, Report.model_validate(GOOD | {"fingerprint": key.fingerprint}))
    assert app.site_reports.latest(ada.id, by=ADMIN) is None


@pytest.mark.slow
def test_strangers_and_hostile_bodies_are_refused_with_a_sentence(app, ada, token, doors):
    old = token
    token = token_of(app.kits.make(ada.id, by=ADMIN))
    report = {"token": token, **GOOD}
    checks = [{"name": "n", "state": "PASS"}]
    refused = [
        (JOIN, {"token": token, "public_key": BIG}, 413),
        (JOIN, {"token": "t" * 300, "public_key": fresh_key()}, 422),
        (JOIN, {"token": 7, "public_key": fresh_key()}, 422),
        (JOIN, {"token": token, "public_key": ["k"]}, 422),
        (JOIN, {"token": token, "public_key": "", "check": "yes"}, 422),
        (JOIN, {"token": token, "public_key": "ssh-rsa AAAA"}, 422),
        (JOIN, {"token": old, "public_key": fresh_key()}, 401),
        (JOIN, {"token": token, "public_key": fresh_key()}, 409),
        (JOIN, {"token": token, "public_key": fresh_key(), "proof": "x"}, 422),
        (JOIN, {"token": token, "public_key": fresh_key(), "proof": "x" * 1001}, 422),
        (JOIN, {"token": old, "public_key": "", "check": True}, 401),
        (JOIN, [], 422),
        (REPORT, report | {"tail": BIG}, 413),
        (REPORT, report | {"tail": "x" * 70_000}, 422),
        (REPORT, report | {"checks": checks * 41}, 422),
        (REPORT, report | {"checks": "none"}, 422),
        (REPORT, report | {"good": "yes"}, 422),
        (REPORT, report | {"machine": {"cpus": -1}}, 422),
        (REPORT, report | {"machine": {"cpus": 10**40}}, 422),
        (REPORT, report | {"versions": {"os": "x" * 101}}, 422),
        (REPORT, report | {"token": old}, 401),
        (REPORT, report | {"token": "stranger"}, 401),
        (REPORT, None, 422),
    ]
    raw = [b"", b"{", b"[" * 60_000, b'{"token": "\xff"}', b'{"token": "\\ud800", "check": true}']
    for door in doors:
        for path, content, status in refused:
            is_refused(door.post(path, json=content), status)
        for path in (JOIN, REPORT):
            for content in raw:
                is_refused(door.post(path, content=content), 422)
            assert door.get(path).status_code in (404, 405)
    assert app.site_reports.latest(ada.id, by=ADMIN) is None
    assert not app.kits.check(token).key_known
    for door in doors:
        assert door.post(REPORT, json=report).json() == {"taken": True}


def is_refused(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status, answer.text
    is_problem = answer.headers["content-type"] == "application/problem+json"
    sentence = answer.json()["detail"] if is_problem else answer.text
    assert sentence.endswith(".")
    assert len(sentence) < 400


def test_what_a_failed_site_shares_is_for_researchers_and_only_beside_the_run_it_is_of(
    app, ada, token
):
    begin = now()
    app.site_reports.take(token, Report.model_validate(GOOD | {"tail": "ValueError: bad scan"}))
    failed_by = now()
    app.site_reports.take(token, Report.model_validate(GOOD))  # a later start, nothing failed

    def tails(since, until, by=RESEARCHER):
        return app.site_reports.tails([ada.id, 999], since, until, by)

    assert tails(begin, failed_by) == {ada.id: "ValueError: bad scan"}
    assert tails(now(), now()) == {}
    with pytest.raises(NotAllowed):
        tails(begin, failed_by, by=person("ada"))


def test_a_site_reports_so_often_an_hour_and_no_more(app, token):
    for _ in range(120):
        app.site_reports.take(token, Report.model_validate(GOOD))
    with pytest.raises(TooOften, match=r"may send the next in \d+ seconds\."):
        app.site_reports.take(token, Report.model_validate(GOOD))
