"""The README tells the truth: its commands exist, its links lead somewhere, its card is valid."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from blossomtune_gradio.settings import Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
COMMANDS = sorted(
    {*re.findall(r"`(make [^`]+)`", README), *re.findall(r"^(make .+)$", README, re.MULTILINE)}
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_make_command_is_one_the_makefile_can_carry_out(command):
    done = subprocess.run(
        ["make", "--dry-run", *command.split()[1:]], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_make_help_lists_every_command_of_the_readme():
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True).stdout
    for command in COMMANDS:
        target = command.split()[1]
        assert target == "help" or f"make {target}" in listed


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)\)", README))))
def test_every_link_leads_somewhere(link):
    assert (ROOT / link).exists()


def test_the_card_is_what_a_space_needs():
    card = yaml.safe_load(README.split("---")[1])
    assert (card["sdk"], card["app_file"], card["hf_oauth"]) == ("gradio", "app.py", True)
    pins = (ROOT / "requirements.txt").read_text()
    assert f"gradio=={card['sdk_version']}" in pins


def test_the_manual_of_settings_names_every_one():
    manual = (ROOT / "docs" / "settings.md").read_text()
    for name in Settings.with_variables():
        assert f"`BLOSSOMTUNE_{name.upper()}`" in manual
    composed = set(Settings.model_fields) - set(Settings.with_variables())
    assert composed == {"providers", "space_hosts"}  # of several variables, which it explains
