"""What the Runs page shows of a run, as plain JSON. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from blossomtune_gradio.services.overview import run_tone
from blossomtune_gradio.services.runs.asking import stake
from blossomtune_gradio.services.runs.watching.waiting import Wait
from blossomtune_gradio.store.models import Run, RunEvent, RunSite


def run_row(run: Run, place: int = 0) -> dict[str, Any]:
    """One run in the list; `place` is the one in the queue, 0 for none."""
    return {
        "id": run.id,
        "name": run.name,
        "app": run.app,
        "status": run.status.value,
        "tone": run_tone(run),
        "round": run.round,
        "rounds": run.rounds,
        "created": iso(run.created_at),
        "started": iso(run.started_at),
        "ended": iso(run.ended_at),
        "cause": run.reason,
        "cause_code": run.cause_code,
        "by": run.started_by,
        "source": run.source,
        "tags": run.tags,
        "pinned": run.pinned,
        "place": place,
        "over": run.status.is_end,
    }


def open_row(
    run: Run, place: int, wait: Wait | None, sites: Sequence[RunSite] = ()
) -> dict[str, Any]:
    """One run that has not ended, with the card of what it waits for and what a stop cuts off."""
    return {
        **run_row(run, place),
        "stopping": bool(run.stop_asked_by),
        "wait": wait.to_json() if wait else None,
        "stake": stake.of_run(run, sites),
    }


def detail_row(run: Run, defaults: dict[str, Any]) -> dict[str, Any]:
    """All of one run; `defaults` are the app's values of today."""
    return {
        **run_row(run),
        "app_version": run.app_version,
        "app_hash": run.app_hash,
        "config": [
            {"key": key, "value": str(value), "changed": _differs(key, value, defaults)}
            for key, value in run.config.items()
        ],
        "partitions": run.partitions,
        "min_sites": run.min_sites,
        "quorum_seconds": run.quorum_seconds,
        "on_quorum": run.on_quorum,
        "round_seconds": run.round_seconds,
        "stopped_by": run.stop_asked_by,
        "evidence": run.evidence,
        "advice": run.advice,
        "command": run.command,
        "bytes_sent": run.bytes_sent,
        "bytes_received": run.bytes_received,
        "client_seconds": round(run.client_seconds, 1),
        "server_seconds": round(run.server_seconds, 1),
        "flower_run_id": run.flower_run_id or "",
        "note": run.note,
    }


def without_names(row: dict[str, Any]) -> dict[str, Any]:
    """The same for somebody who may not know the other sites, the people and the server's paths."""
    hidden = {
        "cause": "",
        "advice": "",
        "by": "",
        "stopped_by": "",
        "evidence": [],
        "command": "",
        "note": "",
    }
    return {**row, **{name: value for name, value in hidden.items() if name in row}}


def event_row(event: RunEvent) -> dict[str, Any]:
    """One entry of the timeline."""
    return {"id": event.id, "at": iso(event.at), "kind": event.kind, "text": event.text}


def site_row(site: RunSite, tail: str = "") -> dict[str, Any]:
    """What one site did; `tail` is what it shared of its output."""
    return {
        "node": site.node_id,
        "name": site.name,
        "partition": site.partition_id,
        "asked": site.asked,
        "answered": site.answered,
        "failures": site.failures,
        "last_round": site.last_round,
        "last_error": site.last_error,
        "open_since": iso(site.open_since),
        "tail": tail,
    }


def iso(moment: datetime | None) -> str | None:
    """UTC, or None."""
    return moment.isoformat(timespec="seconds") if moment else None


def _differs(key: str, value: object, defaults: dict[str, Any]) -> bool:
    return key not in defaults or (type(value), value) != (type(defaults[key]), defaults[key])
