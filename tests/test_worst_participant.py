"""One participant does all the harm they can for two minutes, while two honest sites train."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from blossomtune_gradio.store.models import RunStatus
from tests.flower_stack import make_private_key
from tests.live import LiveFederation
from tests.people import ADMIN, PrivateKey, approved, person
from tests.support import wait_for
from tests.test_kits import token_of

SECONDS, ROUNDS = 120, 10
FAIR = 300  # seconds; without anybody who disturbs it takes about 100
ROOT = Path(__file__).parent.parent


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_honest_sites_complete_their_run_whatever_a_third_does(tmp_path):
    with LiveFederation(tmp_path) as federation:
        app = federation.app
        app.federation.start(ADMIN)
        federation.add_sites("North", "South")
        row = approved(app.participants, app.outbox, "mallory")
        token = token_of(app.kits.make(row.id, by=person("mallory")))
        key = make_private_key(tmp_path / "mallory.key")
        app.kits.accept_key(row.id, key.openssh, ADMIN)
        wait_for(lambda: any(s.node_id for s in app.sites.sites(ADMIN) if "mallory" in s.name), 30)
        database = app.settings.data_dir / "flower" / "superlink.db"
        target = {
            "address": app.fleet_address(),
            "ca": str(app.credentials.ca_cert),
            "key": str(tmp_path / "mallory.key"),
            "database": str(database),
            "seconds": SECONDS,
            "token": token,
            "others_key": PrivateKey().openssh,
        }
        argv = [sys.executable, "-m", "tests.worst_participant", json.dumps(target)]
        attack = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        try:
            wait_for(lambda: "Site mallory" in federation.online(), 60)
            run = federation.start(
                "message_app", num_server_rounds=ROUNDS, client_sleep=4.0, evaluate=False
            )
            locks = 0
            while attack.poll() is None:  # and another program holds the database now and then
                time.sleep(20)
                with closing(sqlite3.connect(database, timeout=20, isolation_level=None)) as busy:
                    busy.execute("BEGIN IMMEDIATE")
                    time.sleep(6)
                    locks += 1
            seen = json.loads(attack.communicate()[0])
            ended = federation.ended(run, FAIR)
        finally:
            attack.kill()
        print(seen, locks)
        assert (ended.status, ended.round) == (RunStatus.COMPLETED, ROUNDS), (ended.cause, seen)
        values = app.metrics.values(run.id, ADMIN)
        accuracy = {v.round: v.value for v in values if v.name == "server/accuracy" and not v.site}
        assert accuracy == {n: pytest.approx(1 - 0.5**n, abs=1e-4) for n in range(ROUNDS + 1)}
        sites = {site.name: site for site in app.history.sites(run.id, ADMIN)}
        for name in ("North", "South"):
            assert (sites[name].answered, sites[name].failures) == (ROUNDS, 0), seen
        assert {"North", "South"} <= federation.online()
        assert "in another's name taken" not in seen
        assert "work for others taken" not in seen
        assert all(seen[f"{name} 400"] for name in ("in another's name", "work for others"))
        assert seen["half request"] > 100
        assert seen["hostile reason taken"]
        assert seen["announced 400"]
