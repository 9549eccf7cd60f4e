"""What programs wrote, turned into a named cause. The texts were written by the real programs."""

import re
from pathlib import Path

import pytest

from blossomtune_gradio.flower.apps.catalogue import check
from blossomtune_gradio.flower.apps.reads import AppReads, app_reads
from blossomtune_gradio.flower.lines.diagnosis import (
    Who,
    diagnose,
    program_cause,
    server_cause,
    together,
)

RECORDED = Path(__file__).parent / "recorded" / "faults"
CHARITE = Who("Charité", "at Charité")
SERVER_FAULTS = {
    "server-bad-import": "bad-import",
    "server-missing-dependency": "missing-dependency",
    "server-exception": "exception",
    "server-partition-id": "partition-id",
    "server-killed": "server-killed",
    "server-exit": "server-killed",
    "server-disk-full": "disk-full",
    "server-wrong-type": "exception",
    "client-other-keys": "metric-keys",
    "client-other-shape": "shape-mismatch",
}
SITE_FAULTS = {
    "client-exception": "exception",
    "client-partition-id": "partition-id",
    "client-shape": "exception",
    "client-memory": "out-of-memory",
    "client-killed": "client-killed",
    "client-exit": "client-killed",
}


def recorded(name: str) -> tuple[str, list[str]]:
    details, *lines = (RECORDED / f"{name}.txt").read_text().splitlines()
    return details.removeprefix("details: "), lines


def site_errors(lines: list[str]) -> list[tuple[int, str]]:
    """Node and reason of each error reply that Flower's strategy logged."""
    told = re.compile(r".*Received error in reply from node (\d+): (.*)")
    return [(int(hit[1]), hit[2]) for line in lines if (hit := told.fullmatch(line))]


@pytest.mark.parametrize(("name", "code"), SERVER_FAULTS.items())
def test_the_fault_of_a_serverapp_is_named_with_its_evidence(name, code):
    cause = server_cause(*recorded(name))
    assert cause.code == code
    assert cause.advice
    assert cause.evidence
    assert any(cause.evidence)


@pytest.mark.parametrize(("name", "code"), SITE_FAULTS.items())
def test_the_fault_of_a_site_is_named_with_the_site(name, code):
    _, lines = recorded(name)
    node, reason = site_errors(lines)[0]
    cause = diagnose(CHARITE, reason)
    assert cause.code == code
    assert "Charité" in cause.text
    assert node > 0


def test_the_missing_package_is_named():
    cause = server_cause(*recorded("server-missing-dependency"))
    assert "a_library_that_is_not_installed" in cause.sentence


def test_the_evidence_is_the_apps_part_of_the_traceback():
    cause = server_cause(*recorded("server-exception"))
    assert cause.evidence[-1] == "RuntimeError: the server was told to fail"
    assert any("fault_app/faults.py" in line for line in cause.evidence)
    assert not any("site-packages/flwr" in line for line in cause.evidence)


def test_a_log_without_a_fault_has_no_site_errors():
    assert site_errors(recorded("client-nan")[1]) == []


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (
            "2026-11-26T22:17:25.233Z ERROR [uvicorn.error] [Errno 98] error while attempting to"
            " bind on address ('127.0.0.1', 29777): address already in use",
            "port-in-use",
        ),
        ("flower-superlink cannot start: port 9092 is already used by nginx (7). ", "port-in-use"),
        ("ssl.SSLError: [SSL] PEM lib (_ssl.c:3905)", "certificate"),
        ("FAB size exceeds maximum allowed size of 10,485,760 bytes. To re", "bundle-too-large"),
        ("sqlite3.OperationalError: database is locked", "database-locked"),
        ("OSError: [Errno 28] No space left on device", "disk-full"),
    ],
)
def test_what_a_program_of_ours_says_is_named(line, code):
    cause = program_cause("The SuperLink", ["INFO: starting", line])
    assert cause is not None
    assert cause.code == code
    assert cause.evidence[-1] == line


def test_an_unknown_failure_of_a_program_is_not_guessed_at():
    assert program_cause("The SuperLink", ["something nobody has seen before"]) is None


@pytest.mark.parametrize(
    "line",
    [
        "Port is not in use by the scanner",
        "the clock of the site is fine",
        "INFO : reading certificate of attendance",
        "KeyError: 'database is locked'",
        "a page about [Errno 98]",
    ],
)
def test_words_that_only_look_like_a_fault_name_nothing(line):
    assert program_cause("The SuperLink", ["INFO: starting", line]) is None


def test_several_sites_are_spoken_of_as_several():
    three = together(["Birch", "Alder", "Cedar"])
    reason = "<class 'KeyError'>:<''partition-id''>"
    cause = diagnose(three, reason)
    assert cause.sentence == (
        "Birch, Alder and Cedar asked for partition-id, which they were not given."
    )
    one = diagnose(together(["Birch"]), reason)
    assert one.sentence == "Birch asked for partition-id, which it was not given."
    assert "need the" in diagnose(three, "ModuleNotFoundError: No module named 'sklearn'").sentence
    assert "[" not in diagnose(three, "Error: Node Unavailable — x").sentence


def test_a_sites_words_never_become_part_of_our_sentence_forms():
    hostile = "ModuleNotFoundError: No module named 'a'"
    assert diagnose(Who("{who} [x|y]", "at {0}"), hostile).sentence.startswith("{who} [x|y] needs")
    cause = diagnose(CHARITE, "FileNotFoundError: [Errno 2] No such file: '{place} [a|b]'")
    assert "{place} [a|b]" in cause.sentence


@pytest.mark.parametrize(
    ("module", "dependencies", "package", "pip"),
    [
        ("sklearn", (), "scikit-learn (imported as sklearn)", "scikit-learn"),
        ("sklearn", ("scikit-learn>=1.5",), "scikit-learn (imported as sklearn)", "learn>=1.5"),
        ("PIL", (), "pillow (imported as PIL)", '"pillow"'),
        ("cv2", ("opencv-python-headless",), "opencv-python-headless", "-headless"),
        ("yaml", (), "pyyaml", "pyyaml"),
        ("keras", ("tensorflow>=2.16",), "tensorflow (imported as keras)", "tensorflow>=2.16"),
        ("psycopg", (), "psycopg,", '"psycopg"'),
    ],
)
def test_a_missing_package_is_named_as_one_installs_it(module, dependencies, package, pip):
    reads = AppReads(dependencies=dependencies)
    said = f"<class 'ModuleNotFoundError'>:<'No module named '{module}''>"
    cause = diagnose(CHARITE, said, reads=reads)
    assert cause.code == "missing-dependency"
    assert package in cause.sentence
    assert pip in cause.advice


APP = """
[project]
name = "keys"
version = "1.0.0"
[tool.flwr.app]
publisher = "somebody"
[tool.flwr.app.components]
serverapp = "keys.app:app"
clientapp = "keys.app:app"
[tool.flwr.app.config]
rounds = 3
"""
CODE = """
def train(message, context):
    config = context.run_config
    path = context.node_config["dataset-path"]
    part = context.node_config["partition-idx"]
    return config["rounds"], config["learning-rat"], frame["age"]
"""


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        ("'dataset-path'", "site-config", "Add dataset-path under [node_config] of site.toml"),
        ("'partition-idx'", "site-config", "for partition-idx, which no kit gives"),
        ("'learning-rat'", "run-config", "Add learning-rat with a default"),
        ("'rounds'", "exception", "KeyError: 'rounds' (at Charité)"),
        ("'age'", "exception", "KeyError: 'age' (at Charité)"),
        ("'partition-id'", "partition-id", "asked for partition-id"),
    ],
)
def test_a_missing_key_is_told_by_what_the_app_reads(tmp_path, said, code, words):
    (tmp_path / "keys").mkdir()
    (tmp_path / "pyproject.toml").write_text(APP)
    (tmp_path / "keys" / "app.py").write_text(CODE)
    reads = app_reads(check(tmp_path))
    cause = diagnose(CHARITE, f"<class 'KeyError'>:<'{said}'>", reads=reads)
    assert cause.code == code
    assert words in cause.text
    missing = diagnose(CHARITE, "ModuleNotFoundError: No module named 'keys.models'", reads=reads)
    assert missing.code == "bad-import"


LOG = """
Traceback (most recent call last):
  File "/srv/apps/a.b.1.0.0.00/b/app.py", line 3, in early
    caught()
OSError: [Errno 28] No space left on device
ERROR :     ServerApp raised an exception
Traceback (most recent call last):
  File "/srv/apps/a.b.1.0.0.00/b/app.py", line 9, in main
    grid.now()
some.lib.Broken: first
Traceback (most recent call last):
MemoryError
INFO : after
""".splitlines()


def test_the_traceback_of_the_end_counts_and_not_one_before_or_within_it():
    cause = server_cause("ServerApp failed with exception: first\nTraceback…", LOG)
    assert cause.code == "exception"
    assert cause.sentence == "some.lib.Broken: first (in the ServerApp, b/app.py, line 9)."
    other = server_cause("ServerApp failed with exception: something else", LOG)
    assert other.sentence == "something else (in the ServerApp)."


def test_a_traceback_that_an_app_printed_is_not_the_end_of_its_run():
    cause = server_cause("No heartbeat received from the task", LOG[:5])
    assert cause.code == "server-killed"
