"""The card of requests and sites: look them up, decide about one or many, keep notes."""

from __future__ import annotations

from typing import Any

import gradio as gr

from blossomtune_gradio.application import Application
from blossomtune_gradio.errors import BlossomError, InvalidInput
from blossomtune_gradio.identity import Role, User
from blossomtune_gradio.services.review.decisions import Decided
from blossomtune_gradio.services.review.query import REQUESTS, SITES, Query
from blossomtune_gradio.store.models import Participant
from blossomtune_gradio.ui.events import sent, sent_id
from blossomtune_gradio.ui.guard import Guard
from blossomtune_gradio.ui.outcome import outcome, said
from blossomtune_gradio.ui.parts import part
from blossomtune_gradio.views.participant import people_page, person_details

Told = dict[str, Any]
_LONGEST_REASON = 500
_NO_NUMBER = -1
_MANY = {
    "approve": "sites were approved, each with a partition of its own",
    "deny": "requests were denied",
    "revoke": "sites are being cut off",
}


def build_people(app: Application, guard: Guard) -> None:
    """Draw the card into the current column."""

    @guard.server_function(Role.ADMIN)
    def people(asked: object, user: User) -> dict[str, Any]:
        return _page(app, asked, user)

    @guard.server_function(Role.ADMIN)
    def person(asked: object, user: User) -> dict[str, Any]:
        return person_details(app.directory.details(user, _number(asked, "id")))

    table = part(
        "people_table", "participants-table", readers=(people,), triggers=("decide", "partitions")
    )
    drawer = part("person", "person-part", readers=(person,), triggers=("decide", "note"))

    @guard(Role.ADMIN)
    def on_decide(event: gr.EventData, user: User) -> Told:
        return _decide(app, event, user)

    @guard(Role.ADMIN)
    def on_note(event: gr.EventData, user: User) -> Told:
        def keep() -> str:
            text = str(sent(event, "text"))
            return f"The note on {app.directory.set_note(user, sent_id(event), text).site} is kept."

        return dict(outcome(keep))

    @guard(Role.ADMIN)
    def on_partitions(event: gr.EventData, user: User) -> Told:
        def change() -> str:
            total = sent_id(event, "total")
            app.options.set_partitions(total, user)
            return f"The federation has {total} data partitions now."

        return dict(outcome(change))

    for listen, act, told in (
        (table.decide, on_decide, table),
        (table.partitions, on_partitions, table),
        (drawer.decide, on_decide, drawer),
        (drawer.note, on_note, drawer),
    ):
        listen(act, None, told, api_visibility="private", show_progress="hidden")


def _page(app: Application, asked: object, user: User) -> dict[str, Any]:
    view = _word(asked, "view")
    query = _query(asked, view or REQUESTS)
    page = app.directory.page(user, query)
    if not view and not page.total and page.counts["approved"]:  # the first look: nobody waits
        query = _query(asked, SITES)
        page = app.directory.page(user, query)
    return people_page(page, query.view, app.sites.drift(user))


def _query(asked: object, view: str) -> Query:
    return Query(
        view=view,
        search=_word(asked, "search"),
        status=_word(asked, "status"),
        presence=_word(asked, "presence"),
        sort=_word(asked, "sort"),
        descending=_field(asked, "descending") is True,
        page=max(0, _number(asked, "page")),
    )


def _decide(app: Application, event: gr.EventData, user: User) -> Told:
    what = str(sent(event, "what"))
    try:
        decided = _decided(app, event, what, user)
    except BlossomError as error:
        gr.Warning(str(error))
        return dict(said("bad", str(error)))
    told = _told(what, decided)
    (gr.Warning if decided.refused else gr.Success)(told["text"])
    return told | {
        "done": [one.id for one in decided.done],
        "refused": [{"id": one.participant_id, "text": one.sentence} for one in decided.refused],
    }


def _decided(app: Application, event: gr.EventData, what: str, user: User) -> Decided:
    ids, reason = _ids(event), str(sent(event, "reason")).strip()[:_LONGEST_REASON]
    match what:
        case "approve":
            partition = sent(event, "partition")
            chosen = partition if type(partition) is int else None
            return app.decisions.approve(ids, user, chosen)
        case "deny":
            return app.decisions.deny(ids, user, reason)
        case "revoke":
            return app.decisions.revoke(ids, user, reason)
    raise InvalidInput("This is neither approve nor deny nor revoke. Reload the page.")


def _told(what: str, decided: Decided) -> Told:
    """One sentence about what worked, one about what did not."""
    done, refused = decided.done, decided.refused
    sentences = []
    if len(done) == 1:
        sentences.append(_about_one(what, done[0]))
    elif done:
        sentences.append(f"{len(done)} {_MANY[what]}.")
    if len(refused) == 1 and not done:
        sentences.append(refused[0].sentence)
    elif refused:
        sentences.append(f"{len(refused)} could not be changed, see below.")
    return dict(said("bad" if refused else "good", " ".join(sentences)))


def _about_one(what: str, one: Participant) -> str:
    if what == "approve":
        return f"{one.site} owns partition {one.partition_id} now. Its kit is ready."
    return f"{one.site} was denied." if what == "deny" else f"{one.site} is being cut off."


def _ids(event: gr.EventData) -> list[int]:
    ids = sent(event, "ids")
    if not isinstance(ids, list) or not all(type(one) is int for one in ids):
        raise InvalidInput("The page sent no valid numbers. Reload it and try again.")
    return ids


def _field(asked: object, name: str) -> object:
    return asked.get(name) if isinstance(asked, dict) else None


def _word(asked: object, name: str) -> str:
    word = _field(asked, name)
    return word[:200] if isinstance(word, str) else ""


def _number(asked: object, name: str) -> int:
    number = _field(asked, name)
    return number if type(number) is int and abs(number) < 2**53 else _NO_NUMBER
