"""Requests for access: list, approve, deny, revoke; kits; mails that wait."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from blossomtune_gradio.application import Application
from blossomtune_gradio.identity import User
from blossomtune_gradio.store.models import ParticipantStatus
from blossomtune_gradio.views.alert import MailView
from blossomtune_gradio.views.participant import RequestView
from blossomtune_gradio.web.api.caller import Caller
from blossomtune_gradio.web.api.models import (
    Approval,
    Id,
    Limit,
    Note,
    Reason,
    Retried,
)

_Status = Literal["requested", "confirmed", "approved", "denied", "revoked", "withdrawn"]
_ZIP: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/zip": {}}, "description": "The kit"}
}


def router(app: Application, caller: Caller) -> APIRouter:
    """`/requests`, `/mails`."""
    made = APIRouter(tags=["requests"])
    by = Annotated[User, Depends(caller)]

    @made.get("/requests", summary="Requests for access, the newest change first")
    def requests(
        user: by, status: Annotated[list[_Status] | None, Query(max_length=6)] = None
    ) -> list[RequestView]:
        wanted = [ParticipantStatus(word) for word in status or ()]
        return [RequestView.of(row) for row in app.participants.list(user, *wanted)]

    @made.get("/requests/{request_id}", summary="One request")
    def one(request_id: Id, user: by) -> RequestView:
        return RequestView.of(app.participants.get(request_id, user))

    @made.post("/requests/{request_id}/approve", summary="Give the site a data partition")
    def approve(request_id: Id, body: Approval, user: by) -> RequestView:
        return RequestView.of(app.participants.approve(request_id, user, body.partition))

    @made.post("/requests/{request_id}/deny", summary="Refuse a request")
    def deny(request_id: Id, body: Reason, user: by) -> RequestView:
        return RequestView.of(app.participants.deny(request_id, user, body.reason))

    @made.post("/requests/{request_id}/revoke", summary="Cut an approved site off for good")
    def revoke(request_id: Id, body: Reason, user: by) -> RequestView:
        return RequestView.of(app.participants.revoke(request_id, user, body.reason))

    @made.post(
        "/requests/{request_id}/kit",
        summary="A fresh kit for the site; the one before stops working",
        response_class=Response,
        responses=_ZIP,
    )
    def kit(request_id: Id, user: by) -> Response:
        return Response(
            app.kits.make(request_id, by=user),
            media_type="application/zip",
            headers={"Cache-Control": "no-store"},
        )

    @made.put("/requests/{request_id}/note", summary="A note of the admins on it")
    def note(request_id: Id, body: Note, user: by) -> RequestView:
        return RequestView.of(app.directory.set_note(user, request_id, body.note))

    @made.post("/mails/retry", summary="Try every unsent mail now")
    def retry(user: by) -> Retried:
        return Retried(mails=app.outbox.try_again(user))

    @made.post("/mails/{mail_id}/send-again", summary="Send a mail that may not have arrived")
    def send_again(mail_id: Id, user: by) -> MailView:
        return MailView.of(app.outbox.send_again(mail_id, user))

    @made.get("/mails", summary="The newest mails of the outbox")
    def mails(user: by, limit: Limit = 50) -> list[MailView]:
        return [MailView.of(mail) for mail in app.outbox.newest(user, limit=limit)]

    return made
