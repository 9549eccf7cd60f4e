"""What REST takes, and the short answers to it; what it gives are the views.

Times are ISO 8601 in UTC; numbers of Flower are decimal texts.
"""

from __future__ import annotations

from typing import Annotated, Literal

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


class NewApp(Strict):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "tumours"}]})
    name: str = Field(min_length=1, max_length=200)
    title: str = Field("", max_length=200)


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


class RoleChange(Strict):
    model_config = ConfigDict(json_schema_extra={"examples": [{"id": "hf:1", "researcher": True}]})
    id: str = Field(min_length=1, max_length=300, description="provider:subject")
    researcher: bool = Field(description="Grant it, or take back what was granted")


class SignOut(Strict):
    model_config = ConfigDict(json_schema_extra={"examples": [{"id": "hf:1"}]})
    id: str = Field(min_length=1, max_length=300, description="provider:subject")


class SignedOut(BaseModel):
    sessions: int = Field(description="That were ended")


class NewToken(Strict):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "nightly", "role": "researcher", "days": 90}]}
    )
    name: str = Field(min_length=1, max_length=200)
    role: Literal["participant", "researcher", "admin"]
    days: Annotated[float, Field(strict=False, allow_inf_nan=False)] = Field(30, gt=0, le=3650)
