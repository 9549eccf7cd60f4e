"""Apps that mean harm are listed or refused with a sentence; nothing of them is ever run.

What is opened, read and run is counted by Python's audit hooks and the kernel, not by a stopwatch.
"""

import json
import os
import re
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest

from blossomtune_gradio.flower.apps.catalogue import AppCatalogue, discover
from tests.hostile_apps import HOSTILE, TOKEN, build_all, write_good_app

BIDI = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f]")


class Auditor:
    """Counts what Python did while it is switched on; a hook cannot be taken away again."""

    def __init__(self):
        self.on = False
        self.opened = Counter()
        self.forbidden = []
        sys.addaudithook(self._hear)

    def _hear(self, event, arguments):
        if not self.on:
            return
        if event == "open" and not isinstance(arguments[0], int):
            self.opened[os.fsdecode(arguments[0])] += 1
        elif event == "exec" and "/apps/" in arguments[0].co_filename:
            self.forbidden.append(arguments[0].co_filename)
        elif event.startswith(("subprocess.", "os.exec", "os.system", "os.fork", "socket.connect")):
            self.forbidden.append(event)

    @contextmanager
    def listening(self):
        self.opened.clear()
        self.forbidden.clear()
        before = _bytes_read()
        self.on = True
        try:
            yield self
        finally:
            self.on = False
            self.bytes = _bytes_read() - before


def _bytes_read():
    """By this process so far, whatever the file."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("rchar")).split()[1])


@pytest.fixture(scope="module")
def auditor():
    return Auditor()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory, auditor):
    """All hostile folders beside one good app, listed twice."""
    base = tmp_path_factory.mktemp("hostile")
    folder, canary = base / "apps", base / "canary"
    build_all(folder, canary)
    write_good_app(folder / "good", canary)
    (folder / "itself").symlink_to("itself")
    (folder / "elsewhere").symlink_to("/etc")
    (base / "secret.py").write_text("password = 1")
    catalogue = AppCatalogue(folder)
    with auditor.listening():
        apps = catalogue.apps()
    first = (dict(auditor.opened), auditor.bytes, list(auditor.forbidden))
    with auditor.listening():
        again = catalogue.apps()
    second = (dict(auditor.opened), auditor.bytes, list(auditor.forbidden))
    return {
        "apps": {_key(app.name): app for app in apps},
        "again": again,
        "canary": canary,
        "folder": folder,
        "first": first,
        "second": second,
    }


def _key(name):
    return "odd_name" if name.startswith("odd ") else name


def test_there_are_more_than_thirty_and_all_are_listed(hostile):
    assert len(HOSTILE) >= 30
    assert set(hostile["apps"]) == {*HOSTILE, "good", "itself", "elsewhere"}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_app_is_listed_with_a_sentence(hostile, name):
    _, runnable, said = HOSTILE[name]
    app = hostile["apps"][name]
    sentences = [finding.sentence for finding in app.findings]
    assert app.runnable is runnable, sentences
    assert bool(app.bundle_hash) is runnable or "looks like" in str(sentences)
    if said:
        assert any(re.search(said, sentence) for sentence in sentences), sentences
    for sentence in sentences:
        assert sentence.isprintable()
        assert len(sentence) <= 400


def test_nothing_of_them_was_run_and_nothing_was_started(hostile):
    assert not hostile["canary"].exists()
    assert hostile["first"][2] == hostile["second"][2] == []
    assert not {name for name in sys.modules if name == "small" or name.startswith("small.")}


def test_the_good_one_among_them_has_no_finding(hostile):
    assert hostile["apps"]["good"].findings == ()
    assert hostile["apps"]["good"].runnable


def test_links_in_place_of_an_app_are_listed_and_not_followed(hostile):
    for name in ("itself", "elsewhere"):
        [finding] = hostile["apps"][name].findings
        assert "leads out of the folder of Flower apps" in finding.sentence


def test_no_file_outside_of_the_apps_is_opened(hostile):
    opened = hostile["first"][0]
    inside = [path for path in opened if path.startswith(str(hostile["folder"]))]
    installed = ("/site-packages/", "/lib/python", ".egg-info/", "__editable__")
    ours = ("/.git", "/proc/self/io", *installed)
    foreign = set(opened) - set(inside)
    assert {path for path in foreign if not any(part in path for part in ours)} == set()
    assert [path for path in opened if re.search(r"(/passwd|/secret\.py|/hooks/.*)$", path)] == []


def test_the_work_is_bounded(hostile):
    opened, read, _ = hostile["first"]
    folder = str(hostile["folder"])
    times = {
        path: n for path, n in opened.items() if path.startswith(folder) and ".git" not in path
    }
    assert max(times.values()) <= 3  # README, the modules, the bundle
    assert sum(opened.values()) < 3000  # though there are ten thousand files
    assert read < 20_000_000  # though one file has 40 GB and the README's 900 KB


def test_the_second_look_opens_no_file_of_an_app(hostile):
    opened, read, _ = hostile["second"]
    apps = [path for path in opened if "/apps/" in path and "/.git" not in path]
    assert apps == []
    assert read < 1_000_000
    assert all(one is hostile["apps"][_key(one.name)] for one in hostile["again"])


def test_only_the_app_that_changed_is_read_again(hostile, auditor):
    catalogue = AppCatalogue(hostile["folder"])
    catalogue.apps()
    with (hostile["folder"] / "dot_env" / "small" / "client_app.py").open("a") as file:
        file.write("\n# changed\n")
    with auditor.listening():
        catalogue.apps()
    read = {path for path in auditor.opened if "/apps/" in path and "/.git" not in path}
    assert read
    assert all("/dot_env/" in path for path in read)


def test_whatever_is_shown_of_them_is_harmless_text(hostile):
    for app in hostile["apps"].values():
        for words in (app.name, app.title, app.version, app.publisher, app.description):
            assert words.isprintable()
            assert not BIDI.search(words)
        json.dumps([app.name, app.title, app.config]).encode("utf-8")
    assert hostile["apps"]["title_with_escapes"].title == "<b>"


def test_a_secret_is_not_repeated(hostile):
    assert TOKEN not in str(hostile["apps"]["token"].findings)


def test_a_readme_is_shown_without_scripts_pictures_and_lures(hostile):
    html = hostile["apps"]["readme_with_scripts"].readme
    tags = set(re.findall(r"<(\w+)", html))
    assert tags <= {"p", "h4", "a", "em"}
    assert re.findall(r'href="([^"]*)"', html) == ["https://good.example"]
    assert "src=" not in re.sub("&lt;.*?&gt;", "", html)
    assert "<em>track</em>" in html
    assert hostile["apps"]["readme_is_passwd"].readme == ""
    assert hostile["apps"]["pipes"].readme == ""
    assert 0 < len(hostile["apps"]["huge_readme"].readme) < 100_000


def test_every_bad_habit_is_named_once(hostile):
    said = " ".join(finding.sentence for finding in hostile["apps"]["bad_habits"].findings)
    for habit in ("no partition-id", "no num-partitions", "calls torch.load", "calls pickle.loads"):
        assert said.count(habit) == 1
    outward = " ".join(f.sentence for f in hostile["apps"]["outward_at_import"].findings)
    for call in ("subprocess.run", "os.system", "socket.create_connection"):
        assert outward.count(call) == 1


def test_a_folder_that_may_not_be_read_is_a_sentence(tmp_path):
    write_good_app(tmp_path / "apps" / "closed", tmp_path / "canary")
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (tmp_path / "apps" / "closed").chmod(0)
    try:
        [app] = discover(tmp_path / "apps")
    finally:
        (tmp_path / "apps" / "closed").chmod(0o700)
    assert not app.runnable
