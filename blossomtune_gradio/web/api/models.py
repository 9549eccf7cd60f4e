"""What REST takes and gives. Times are ISO 8601 in UTC; numbers of Flower are decimal texts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

Id = Annotated[int, Path(ge=1, le=2**31 - 1, examples=[1])]
Name = Annotated[str, Path(min_length=1, max_length=200, examples=["quickstart_huggingface"])]
Limit = Annotated[int, Query(ge=1, le=500, description="At most so many")]
Before = Annotated[int | None, Query(ge=1, le=2**53, description="Only older ones than this")]
Word = Annotated[str, Query(max_length=200)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Setting = Annotated[bool | int | Finite | str, Field(union_mode="left_to_right")]


class Strict(BaseModel):
    """A body in which an unknown field is an error: it would be a typing mistake."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Problem(BaseModel):
    """What is wrong and what to do (RFC 9457)."""

    title: str
    detail: str
    status: int


class NewRun(Strict):
    """A run to queue."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"app": "quickstart_huggingface", "config": {"num-server-rounds": 3}}]
        }
    )
    app: str = Field(min_length=1, max_length=200, description="Name of the app's folder")
    name: str = Field("", max_length=200, description="Unique; empty: made from app and number")
    config: dict[str, Setting] = Field(
        default_factory=dict, max_length=1000, description="Only what differs from the app"
    )
    partitions: int | None = Field(
        None, ge=1, le=100_000, description="Data partitions of the federation, to change them"
    )

    min_sites: int = Field(0, ge=0, le=100_000, description="0: as many as the app asks for")
    quorum_seconds: int = Field(0, ge=0, le=2_592_000, description="It may wait; 0: without end")
    on_quorum: Literal["stop", "go on"] = Field("stop", description="What to do then")
    round_seconds: int = Field(0, ge=0, le=2_592_000, description="A round may take; 0: no limit")
    tags: list[Annotated[str, Field(max_length=200)]] = Field(default_factory=list, max_length=50)


class Deleted(BaseModel):
    deleted: str = Field(description="Its name")


class Marks(Strict):
    """What to change; null leaves it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"tags": ["pilot"]}]})
    note: str | None = Field(None, max_length=5000)
    tags: list[Annotated[str, Field(max_length=200)]] | None = Field(None, max_length=50)
    pinned: bool | None = None


class Move(Strict):
    model_config = ConfigDict(json_schema_extra={"examples": [{"direction": "up"}]})
    direction: Literal["up", "down"]


class RunView(BaseModel):
    """One run."""

    id: int
    name: str
    app: str
    app_hash: str
    status: Literal["queued", "submitted", "running", "completed", "failed", "stopped", "lost"]
    ended: bool = Field(description="It will never change again")
    why: str = Field(description="What it waits for or how it ended, a sentence; may be empty")
    cause_code: str = Field(description="How it ended as a word; may be empty")
    advice: str = Field(description="What to do about it, a sentence; may be empty")
    evidence: list[str] = Field(description="The lines that show it")
    round: int
    rounds: int
    config: dict[str, Any]
    partitions: int
    command: str = Field(description="The same run for a terminal")
    flower_run_id: str | None
    min_sites: int
    tags: list[str]
    note: str
    pinned: bool
    bytes_sent: int
    bytes_received: int
    client_seconds: float
    server_seconds: float
    created_by: str
    source: str = Field(description="here, or outside: by a plain flwr run")
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class StartedRun(RunView):
    """A run that was just queued, and what may go wrong."""

    lacking: list[str] = Field(description="What sites that are online lack for it, in sentences")


class RunList(BaseModel):
    runs: list[RunView]
    total: int = Field(description="So many fit")


class EventView(BaseModel):
    id: int
    at: datetime
    kind: str
    text: str


class RunSiteView(BaseModel):
    """What one site did in a run."""

    name: str
    node_id: str
    partition: int | None
    asked: int = Field(description="Messages it was given")
    answered: int
    failures: int
    last_round: int
    last_error: str


class FileView(BaseModel):
    """One file that a run left behind."""

    name: str = Field(description="Path below the run's working folder")
    size: int = Field(description="Bytes")
    changed_at: datetime


class FileList(BaseModel):
    """What a run left behind."""

    files: list[FileView]
    left_out: int = Field(description="Names not given: links, odd names, more than 1000")


class MetricView(BaseModel):
    name: str
    site: str = Field(description='Partition, or "" for the whole federation')
    round: int
    value: float | None = Field(description="null: not a finite number")


class LineView(BaseModel):
    source: str
    offset: int
    time: str
    level: str
    text: str


class LogPage(BaseModel):
    lines: list[LineView]
    cursor: int = Field(description="Send as `after` to read on")
    more: bool = Field(description="There are more lines already")


class FindingView(BaseModel):
    level: Literal["error", "warning", "note"]
    sentence: str


class NeedsView(BaseModel):
    """What an app asks of each site, as far as its code tells."""

    packages: list[str] = Field(description="To be installed, by name")
    keys: list[str] = Field(description="Of [node_config], besides those every site is told")
    lacking: list[str] = Field(description="What sites that are online lack now, in sentences")


class AppView(BaseModel):
    """One Flower app."""

    name: str
    title: str
    version: str
    description: str
    runnable: bool
    config: dict[str, Any]
    components: dict[str, str]
    api: str
    bundle_hash: str
    readme: str = Field(description="Its README as harmless HTML")
    findings: list[FindingView]
    needs: NeedsView


class NewApp(Strict):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "tumours"}]})
    name: str = Field(min_length=1, max_length=200)
    title: str = Field("", max_length=200)


class SiteView(BaseModel):
    id: int = Field(description="Number of its request")
    name: str
    partition: int
    presence: str = Field(description="online, offline, registered, no key or unknown")
    node_id: str
    last_seen: datetime | None


class RequestView(BaseModel):
    """One request for access."""

    id: int
    site: str
    email: str
    organisation: str
    message: str
    status: Literal["requested", "confirmed", "approved", "denied", "revoked", "withdrawn"]
    partition: int | None
    reason: str
    requested_at: datetime
    changed_at: datetime
    decided_by: str


class Approval(Strict):
    model_config = ConfigDict(json_schema_extra={"examples": [{"partition": 0}]})
    partition: int | None = Field(None, ge=0, le=100_000, description="null: the lowest free one")


class Reason(Strict):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "contract ended"}]})
    reason: str = Field("", max_length=500, description="The participant reads it")


class Note(Strict):
    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "met at the workshop"}]})
    note: str = Field(max_length=5000, description="For admins only; empty takes it away")


class Partitions(Strict):
    model_config = ConfigDict(json_schema_extra={"examples": [{"total": 10}]})
    total: int = Field(ge=1, le=100_000, description="Data partitions of the federation")


class Retried(BaseModel):
    mails: int = Field(description="So many are tried again now")


class AccountView(BaseModel):
    id: str
    name: str
    role: Literal["anyone", "participant", "researcher", "admin"]
    because: list[str]
    last_seen: datetime


class RoleChange(Strict):
    model_config = ConfigDict(json_schema_extra={"examples": [{"id": "hf:1", "researcher": True}]})
    id: str = Field(min_length=1, max_length=300, description="provider:subject")
    researcher: bool = Field(description="Grant it, or take back what was granted")


class SignOut(Strict):
    model_config = ConfigDict(json_schema_extra={"examples": [{"id": "hf:1"}]})
    id: str = Field(min_length=1, max_length=300, description="provider:subject")


class SignedOut(BaseModel):
    sessions: int = Field(description="That were ended")


class ProcessView(BaseModel):
    name: str
    state: str
    since: datetime
    reason: str


class SuperLinkView(BaseModel):
    running: bool = Field(description="SuperLink and executor are both up")
    processes: list[ProcessView]


class Health(BaseModel):
    status: Literal["ok", "trouble"]
    version: str
    superlink: str
    sites: int
    online: int
    trouble: str = Field(description="A sentence, or empty")


class Me(BaseModel):
    id: str
    name: str
    role: Literal["anyone", "participant", "researcher", "admin"]


class EntryView(BaseModel):
    """One entry of the audit trail."""

    id: int
    at: datetime
    actor: str
    actor_name: str
    address: str
    action: str
    target: str
    target_name: str
    before: dict[str, Any]
    after: dict[str, Any]
    previous: str
    hash: str


class EntryList(BaseModel):
    entries: list[EntryView]
    total: int
    before: int | None


class VerdictView(BaseModel):
    good: bool
    entries: int
    sentence: str
    entry: int | None = Field(description="Number of the first bad entry")
    checked_at: datetime


class NewToken(Strict):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "nightly", "role": "researcher", "days": 90}]}
    )
    name: str = Field(min_length=1, max_length=200)
    role: Literal["participant", "researcher", "admin"]
    days: Annotated[float, Field(strict=False, allow_inf_nan=False)] = Field(30, gt=0, le=3650)


class TokenView(BaseModel):
    id: int
    name: str
    role: str
    acts_as: str = Field("", description="The role at this moment: never more than its maker has")
    state: Literal["good", "expired", "revoked", "ended"]
    created_by: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


class MadeToken(TokenView):
    token: str = Field(description="Shown this once")


class MailView(BaseModel):
    id: int
    status: str
    recipient: str
    subject: str
    body: str
    created_at: datetime
