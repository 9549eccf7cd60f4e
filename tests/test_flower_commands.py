"""Arguments, environments and answers of Flower's programs, tried on the real programs."""

import json
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from blossomtune_gradio.errors import FlowerError
from blossomtune_gradio.flower.link.commands import (
    child_environment,
    parse_run_output,
    plain_supernode_command,
    prepare_home,
    run_argv,
    shown_command,
    superexec_argv,
    superlink_argv,
    write_connection,
)
from blossomtune_gradio.flower.link.failures import Code, FlowerRefused
from blossomtune_gradio.tls import ensure_server_credentials
from tests.flower_stack import APPS
from tests.support import free_port


def test_the_environment_holds_nothing_that_was_not_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("SMTP_PASSWORD", "hunter2")
    prepare_home(tmp_path)
    seen = subprocess.run(
        [sys.executable, "-c", "import os, json; print(json.dumps(dict(os.environ)))"],
        env=child_environment(tmp_path, {"HF_HOME": "/models"}, path="/usr/bin"),
        capture_output=True,
        check=True,
    )
    environment = json.loads(seen.stdout)
    assert "SMTP_PASSWORD" not in environment
    assert environment["HF_HOME"] == "/models"
    assert environment["PATH"] == f"{tmp_path}/bin:{Path(sys.executable).parent}:/usr/bin"
    assert environment["FLWR_HOME"] == environment["HOME"] == str(tmp_path)
    assert environment["NO_PROXY"] == "127.0.0.1,localhost"
    assert environment["FLWR_TELEMETRY_ENABLED"] == "0"
    assert Path(environment["TMPDIR"]).is_dir()


def test_extra_variables_win(tmp_path):
    seen = child_environment(tmp_path, {"NO_PROXY": "*", "HF_HOME": "/hub"})
    assert (seen["NO_PROXY"], seen["HF_HOME"]) == ("127.0.0.1,localhost,*", "/hub")


def test_a_connection_is_what_flower_reads(tmp_path):
    ca = tmp_path / "ca.pem"
    ca.write_text("")
    write_connection(tmp_path / "home", "lab", "127.0.0.1:1", ca)
    written = tomllib.loads((tmp_path / "home" / "config.toml").read_text())
    assert written["superlink"]["default"] == "lab"
    assert written["superlink"]["lab"] == {
        "address": "127.0.0.1:1",
        "root-certificates": str(ca.resolve()),
    }


def test_the_superlink_listens_on_loopback_with_tls_and_keys(tmp_path):
    argv = superlink_argv(
        1, ensure_server_credentials(tmp_path, []), tmp_path / "db", tmp_path / "s"
    )
    assert argv[argv.index("--host") + 1] == "127.0.0.1"
    assert argv[argv.index("--isolation") + 1] == "process"
    assert {"--enable-supernode-auth", "--disable-runtime-dependency-installation"} <= set(argv)
    assert "--insecure" not in argv


@pytest.mark.slow
def test_flowers_programs_know_every_option_we_use(tmp_path):
    made = ensure_server_credentials(tmp_path, [])
    for argv in (
        superlink_argv(1, made, tmp_path / "db", tmp_path / "secret"),
        superexec_argv(1, made, tmp_path / "secret"),
        run_argv(tmp_path, "lab", tmp_path / "run.toml"),
    ):
        words = 3 if argv[1] == "-P" else 2 if argv[0].endswith("/flwr") else 1
        program = argv[:words]
        shown = subprocess.run(
            [*program, "--help"],
            env=child_environment(tmp_path, {"COLUMNS": "200"}),
            capture_output=True,
            text=True,
            check=True,
        )
        for option in (part for part in argv if part.startswith("--")):
            assert option in shown.stdout, (program, option)


def test_a_configuration_file_of_another_ending_is_a_mistake_of_ours(tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.toml"):
        run_argv(tmp_path, "lab", tmp_path / "run.cfg")


def test_the_shown_command_is_the_same_after_a_shell_took_it_apart():
    argv = run_argv(Path("/apps/it's mine"), "lab")
    assert shlex.split(shown_command(argv)) == argv
    assert shown_command(["flwr"], {"FLWR_HOME": "/a b"}) == "FLWR_HOME='/a b' flwr"


@pytest.mark.slow
def test_flower_understands_the_plain_command_a_person_pastes(tmp_path):
    """It gets as far as looking for the key file, so all its options are right."""
    made = ensure_server_credentials(tmp_path, [])
    text = plain_supernode_command(
        f"127.0.0.1:{free_port()}", partition_id=3, partitions=5, ca_cert=str(made.ca_cert)
    )
    assert "partition-id=3 num-partitions=5" in text
    done = subprocess.run(
        ["bash", "-c", text],
        env=child_environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "site.key" in done.stdout + done.stderr
    assert "usage:" not in done.stderr


def test_the_run_id_is_found_between_other_lines():
    text = (
        '\x1b[33mwarning {odd}\x1b[0m\n{ "success": true,\n "run-id": "8957637848324925647" }\nbye'
    )
    assert parse_run_output(text) == 8957637848324925647


def test_a_refusal_carries_flowers_code_and_a_sentence():
    message = "Using SuperLink: lab (127.0.0.1:1)\n\n[code: 15] Invalid run configuration."
    with pytest.raises(FlowerRefused, match=r"\[tool\.flwr\.app\.config\]") as refusal:
        parse_run_output(json.dumps({"success": False, "error-message": message}))
    assert refusal.value.code == Code.INVALID_RUN_CONFIG


def test_a_refusal_without_a_code_keeps_flowers_words():
    with pytest.raises(FlowerRefused, match=r"^Flower refused: FAB size exceeds maximum\.$"):
        parse_run_output('{"success": false, "error-message": "FAB size  exceeds\\nmaximum."}')


@pytest.mark.parametrize("text", ["", "{", "[1]", "Traceback …", '{"success": true}', "{}" * 1000])
def test_no_answer_is_an_error_that_shows_what_was_said(text):
    with pytest.raises(FlowerError, match=r"flwr run (gave no answer|succeeded)"):
        parse_run_output(text)


@pytest.mark.slow
def test_an_unreachable_superlink_is_told_by_the_real_command(tmp_path):
    made = ensure_server_credentials(tmp_path / "certificates", [])
    write_connection(tmp_path, "lab", f"127.0.0.1:{free_port()}", made.ca_cert)
    done = subprocess.run(
        run_argv(APPS / "message_app", "lab"),
        env=child_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
    )
    with pytest.raises(FlowerRefused, match="SuperLink"):
        parse_run_output(done.stdout + done.stderr)
