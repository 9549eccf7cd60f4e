"""What programs wrote, turned into a named cause. The texts were written by the real programs."""

import re
from pathlib import Path

import pytest

from blossomtune_gradio.flower.diagnosis import (
    Who,
    diagnose,
    program_cause,
    server_cause,
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
    "server-wrong-type": "wrong-config-type",
    "client-other-keys": "metric-keys",
    "client-other-shape": "shape-mismatch",
}
SITE_FAULTS = {
    "client-exception": "exception",
    "client-partition-id": "partition-id",
    "client-shape": "shape-mismatch",
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
        ("[Errno 98] error while attempting to bind: address already in use", "port-in-use"),
        ("ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED]", "certificate"),
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
