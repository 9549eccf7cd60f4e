"""What a site lacks for an app is said before a run: where one deploys it, and at the site."""

import re
import sys

import httpx
import pytest

from blossomtune_gradio.application import Application
from blossomtune_gradio.errors import NotAllowed
from blossomtune_gradio.flower.apps.facts import FlowerApp, SiteNeeds
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.services.sites.lacks import SiteLacks
from blossomtune_gradio.services.sites.presence import Presence
from blossomtune_gradio.services.sites.reports import Report
from blossomtune_gradio.services.sites.service import Site as SeenSite
from blossomtune_gradio.site import needs
from blossomtune_gradio.site.kit import Site
from blossomtune_gradio.site.preflight import PASS, WARN
from blossomtune_gradio.site.reports import Reports
from blossomtune_gradio.web.server import WebServer
from tests.people import ADMIN, approved, person
from tests.test_kits import token_of

GOOD = {"good": True, "checks": []}
RITA = User(provider="local", sub="rita", name="Rita", role=Role.RESEARCHER)
HEART = FlowerApp(
    name="heart",
    path=None,
    needs=SiteNeeds(
        modules={"sklearn": "scikit-learn", "PIL": "pillow", "numpy": "numpy"},
        install=("scikit-learn>=1.5", "pillow", "numpy"),
        keys=("dataset-path",),
    ),
)


class Watched:
    """Plays the watch on Flower: which of the approved sites it sees online."""

    def __init__(self, *sites):
        self._sites = sites

    def sites(self, by):
        return [
            SeenSite(
                participant_id=number,
                name=name,
                partition_id=0,
                node_id="1",
                presence=Presence(presence),
                last_seen=None,
            )
            for number, name, presence in self._sites
        ]


@pytest.fixture
def app(settings):
    made = Application(settings)
    yield made
    made.close()


@pytest.fixture
def three(app):
    """Three approved sites with the tokens of their kits."""
    people = [approved(app.participants, app.outbox, name) for name in ("ada", "bob", "eve")]
    return [(one, token_of(app.kits.make(one.id, by=ADMIN))) for one in people]


def lacks(app, three, presence=("online", "online", "online")):
    names = ("Klinik 1", "Klinik 2", "Klinik 3")
    seen = [(one.id, name, how) for (one, _), name, how in zip(three, names, presence, strict=True)]
    return SiteLacks(Watched(*seen), app.site_reports).of(HEART, RITA)


def tell(app, token, **what):
    app.site_reports.take(token, Report.model_validate(GOOD | what))


ALL = {"sklearn": "1.8", "PIL": "12", "numpy": "2"}
KEYS = ["dataset-path", "num-partitions", "partition-id"]


def test_packages_and_keys_are_named_with_the_sites_that_lack_them(app, three):
    tokens = [token for _, token in three]
    tell(app, tokens[0], modules=ALL | {"sklearn": "", "PIL": ""}, node_keys=KEYS)
    tell(app, tokens[1], modules=ALL | {"sklearn": ""}, node_keys=["partition-id"])
    tell(app, tokens[2], modules=ALL, node_keys=KEYS)
    assert lacks(app, three) == [
        "Klinik 1 and Klinik 2 lack scikit-learn.",
        "Klinik 1 lacks pillow.",
        "dataset-path is not set under [node_config] at Klinik 2.",
    ]


def test_of_what_a_site_does_not_tell_nothing_is_said(app, three):
    tokens = [token for _, token in three]
    tell(app, tokens[0])  # the kit of an earlier version
    tell(app, tokens[1], modules={"numpy": "2"}, node_keys=KEYS)  # made before the app came
    assert lacks(app, three) == []  # and the third never reported


def test_a_site_that_is_not_online_does_not_count(app, three):
    tell(app, three[0][1], modules={"sklearn": ""}, node_keys=[])
    assert len(lacks(app, three)) == 2
    for presence in ("offline", "registered", "unknown", "no key"):
        assert lacks(app, three, (presence, "online", "online")) == []


def test_what_sites_lack_is_for_researchers(app):
    with pytest.raises(NotAllowed):
        app.site_lacks.of(HEART, person("ada"))


def test_what_a_site_tells_is_bounded_and_harmless(app, three):
    token = three[0][1]
    nasty = "\x1b[31mred\u202e"
    tell(app, token, modules={nasty: nasty}, node_keys=[nasty])
    kept = app.site_reports.latest(three[0][0].id, by=ADMIN).report
    assert all(bad not in repr(kept) for bad in ("\\x1b", "\u202e", "\\u202e"))
    for wrong in (
        {"modules": {f"m{n}": "" for n in range(401)}},
        {"modules": {"m": "x" * 101}},
        {"modules": ["torch"]},
        {"modules": {"torch": 2}},
        {"node_keys": ["k"] * 401},
        {"node_keys": "dataset-path"},
    ):
        with pytest.raises(ValueError, match="validation error"):
            Report.model_validate(GOOD | wrong)


def test_the_form_and_rest_say_what_sites_lack(app, three):
    tell(app, three[0][1], modules={"torch": "", "numpy": "2"}, node_keys=KEYS)
    app.site_lacks = SiteLacks(Watched((three[0][0].id, "Klinik 1", "online")), app.site_reports)
    name = next(one["name"] for one in app.apps.asked_of_sites() if "torch" in one["modules"])
    with WebServer(app) as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        head = {"Authorization": f"Bearer {app.tokens.create(ADMIN, 'rita', 'researcher')[1]}"}
        seen = client.get(f"/api/v1/apps/{name}", headers=head).json()["needs"]
        run = client.post("/api/v1/runs", json={"app": name}, headers=head).json()
    assert "torch" in seen["packages"]
    assert seen["lacking"] == run["lacking"] == ["Klinik 1 lacks torch."]


# ------------------------------------------------------------------ at the site


def site_at(folder, **node_config):
    return Site(folder, "s", "a:1", "https://a", "f", "t", 0, 2, "1.41.0", node_config=node_config)


def answer(**app):
    return {"site": "s", "apps": [{"name": "heart", **app}]}


def test_the_check_says_what_to_install_and_what_to_write(tmp_path):
    told = answer(
        modules=["numpy", "no_such_module"], install=["numpy", "no-such>=1"], keys=["dataset-path"]
    )
    reports = Reports(site_at(tmp_path), [])
    found = reports.learn(told)
    assert found.state == WARN
    assert not found.stops
    assert "heart needs no_such_module (not installed) and dataset-path under" in found.sentence
    assert re.search(r"Fix: run: .* -m pip install numpy 'no-such>=1'; then add", found.sentence)
    assert reports.checks == [found]
    content = reports._content("")
    assert content["modules"]["no_such_module"] == ""
    assert content["modules"]["numpy"]
    assert "torch" in content["modules"]  # of the next app, perhaps
    assert content["node_keys"] == ["num-partitions", "partition-id"]
    assert Report.model_validate(content)


def test_a_site_that_has_all_of_it_is_told_so(tmp_path):
    told = answer(modules=["numpy", "PIL"], install=["numpy"], keys=["dataset-path"])
    site = site_at(tmp_path, **{"dataset-path": "/secret/place"})
    reports = Reports(site, [])
    assert reports.learn(told).state == PASS
    assert "/secret" not in repr(reports._content(""))
    assert Reports(site, []).learn({"site": "s"}).state == PASS  # an earlier server


def test_what_lies_in_the_folder_of_the_kit_is_no_package(tmp_path, monkeypatch):
    (tmp_path / "my_only_module").mkdir()
    (tmp_path / "my_only_module" / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert needs.installed(site_at(tmp_path), ["my_only_module"]) == {"my_only_module": ""}
    elsewhere = needs.installed(site_at(tmp_path / "kit"), ["my_only_module"])
    assert elsewhere == {"my_only_module": "present"}
    assert "my_only_module" not in sys.modules


@pytest.mark.parametrize(
    "told",
    [
        None,
        "x",
        {"name": "a"},
        [None, 3, "x", [], {}],
        [{"name": "\x1b[31m"}],
        [{"name": "a", "modules": "torch", "install": 7, "keys": None}],
        [
            {
                "name": "a",
                "modules": ["os; rm", "a.b", 3, "../x"],
                "install": ["$(rm)", "-r x", "a b"],
            }
        ],
        [
            {
                "name": "a",
                "install": ["--index-url=http://x", "x @ http://y", "x;y"],
                "keys": ["\n", "a b"],
            }
        ],
        [{"name": "a", "modules": ["m" + str(n) for n in range(5000)]}] * 5000,
    ],
)
def test_what_a_server_tells_passes_as_names_only(tmp_path, told):
    apps = needs.told_apps({"apps": told})
    assert len(apps) <= needs.MOST_APPS
    for app in apps:
        assert app.name == "a"
        assert app.install == app.keys == ()
        assert len(app.modules) <= needs.MOST_NAMES
    found = Reports(site_at(tmp_path), []).learn({"apps": told})
    assert found.sentence.isprintable()
    assert len(needs.known_modules(site_at(tmp_path), apps)) <= needs.MOST_REPORTED


def test_the_server_tells_what_the_apps_of_its_folder_need(app):
    told = app.apps.asked_of_sites()
    assert [one["name"] for one in told] == [one.name for one in app.apps.apps() if one.runnable]
    read = needs.told_apps({"apps": told})
    assert [(one.modules, one.install) for one in read] == [
        (tuple(one["modules"]), tuple(one["install"])) for one in told
    ]
    assert any("torch" in one.modules for one in read)
