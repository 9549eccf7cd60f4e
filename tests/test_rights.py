"""What is kept is for our own user alone: new, old, and after a whole life of a real server."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from blossomtune_gradio.application import Application
from blossomtune_gradio.services.rights import mend, open_to_others
from blossomtune_gradio.settings import Settings
from tests.support import terminal, wait_for
from tests.test_surroundings import kubernetes

ROOT = Path(__file__).parent.parent


def open_to_all(folder: Path) -> list[str]:
    """Whatever group or everybody could reach, by name, with its mode."""
    found = [folder, *folder.rglob("*")]
    return [
        f"{path.relative_to(folder.parent)} {stat.S_IMODE(path.lstat().st_mode):o}"
        for path in found
        if not path.is_symlink() and path.lstat().st_mode & 0o077
    ]


@pytest.fixture
def careless(tmp_path) -> Settings:
    """A data directory as an older version made it, beside something that is not ours."""
    root = tmp_path / "data"
    for name in ("logs/raw/superlink.out", "flower/superlink.db", "runs/1/run.toml"):
        (root / name).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        (root / name).write_text("secret")
    for name in ("blossomtune.db", "blossomtune.db-wal", "session.key", "photo.jpg"):
        (root / name).write_text("secret")
    for path in (root, *root.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o664)
    return Settings(data_dir=root)


def test_an_old_data_directory_is_closed_and_told_once(careless):
    assert len(open_to_others(careless)) == 12
    (told,) = mend(careless)
    assert str(careless.data_dir) in told
    assert "11 more" in told
    assert open_to_others(careless) == []
    assert open_to_all(careless.data_dir) == [
        "data/photo.jpg 664"
    ]  # the folder is closed around it
    assert mend(careless) == []


def test_what_the_start_mended_stands_in_the_log(careless):
    (careless.data_dir / "blossomtune.db").unlink()  # they are no databases
    (careless.data_dir / "blossomtune.db-wal").unlink()
    (careless.data_dir / "flower" / "superlink.db").unlink()
    app = Application(careless.but(port=0, fleet_port=0))
    try:
        page = app.logs.since({"blossomtune": 0}, ["blossomtune"])
        assert "Other users of this machine could reach" in page.lines[0].text
    finally:
        app.close()


def test_links_are_not_followed_and_a_shared_folder_stays_shared(careless, tmp_path):
    others = tmp_path / "others"
    others.mkdir(mode=0o755)
    (others / "file").write_text("theirs")
    (careless.data_dir / "gradio").symlink_to(others)
    (careless.data_dir / "runs" / "link").symlink_to(others / "file")
    careless.data_dir.chmod(0o1777)  # like /tmp
    said = mend(careless)
    assert stat.S_IMODE(others.stat().st_mode) == 0o755
    assert stat.S_IMODE((others / "file").stat().st_mode) & 0o044
    assert stat.S_IMODE(careless.data_dir.stat().st_mode) == 0o1777
    assert said[-1].startswith("WARNING")  # the link leads to what everybody sees
    assert str(careless.data_dir / "gradio") in said[-1]


def test_a_data_directory_that_is_a_link_is_closed_where_it_leads(careless, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(careless.data_dir)
    mend(careless.but(data_dir=link))
    assert stat.S_IMODE(careless.data_dir.stat().st_mode) == 0o700


def test_a_database_elsewhere_is_closed_too(careless, tmp_path):
    mend(careless)
    file = tmp_path / "elsewhere.db"
    for end in ("", "-wal"):
        Path(f"{file}{end}").write_text("secret")
        Path(f"{file}{end}").chmod(0o644)
    away = careless.but(database_url=f"sqlite:///{file}")
    assert open_to_others(away) == [file, Path(f"{file}-wal")]
    mend(away)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.slow
def test_after_the_life_of_a_real_server_nobody_else_can_read_anything(tmp_path):
    """Begun with a careless umask, an open data directory, and variables that others set."""
    data, log = tmp_path / "data", tmp_path / "out.txt"
    (data / "logs").mkdir(mode=0o755, parents=True)
    data.chmod(0o755)
    env = {
        **terminal(),
        **kubernetes("blossomtune-web"),
        "BLOSSOMTUNE_DATA_DIR": str(data),
        "BLOSSOMTUNE_PORT": "0",
        "BLOSSOMTUNE_FLEET_PORT": "0",
        "NO_PROXY": "localhost,127.0.0.1,fd07:b51a:cc66:f0::/64",
        "GRADIO_SERVER_PORT": "no number",
        "WEB_CONCURRENCY": "no number",
        "FLWR_HOME": "/no/such",
        "PYTHONWARNINGS": "error",
    }
    command = [sys.executable, "-m", "blossomtune_gradio.cli"]
    serving = subprocess.Popen(
        ["sh", "-c", 'umask 022; exec "$0" "$@" >"$OUT" 2>&1 <&-', *command, "serve"],
        cwd=ROOT,
        env={**env, "OUT": str(log)},
    )
    token = data / "local-token"
    try:
        wait_for(lambda: token.exists() or serving.poll() is not None, 120)
        assert serving.poll() is None, log.read_text()
        said = json.loads(token.read_text())
        head = {"Authorization": f"Bearer {said['token']}"}
        started = httpx.post(
            f"{said['url']}/api/v1/superlink/start", headers=head, timeout=120, trust_env=False
        )
        assert started.status_code < 300, started.text
        backup = tmp_path / "backup.tar.gz"
        subprocess.run([*command, "backup", backup], cwd=ROOT, env=env, check=True)
        restored = tmp_path / "restored"
        restore = [*command, "restore", backup, "--data-dir", restored]
        subprocess.run(restore, cwd=ROOT, env=env, check=True, preexec_fn=lambda: os.umask(0o022))
        assert open_to_all(data) == []
    finally:
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(60) == 0
    assert open_to_all(data) == open_to_all(restored) == []
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    told = log.read_text()
    assert "BLOSSOMTUNE_WEB_PORT" in told
    assert "fd07:b51a:cc66:f0::/64" in told
    there = {path.name for path in data.rglob("*")}
    assert {"superlink.db", "superlink.out", "blossomtune.db", "ca.key"} <= there
