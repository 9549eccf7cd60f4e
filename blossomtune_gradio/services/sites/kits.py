"""The kit a site needs to join, and what happens when it hands its public key in.

A kit is a zip built in memory (`kit_files.py`). It carries a one-time token and no key: the site
makes its own, or somebody pastes the public half of one. Surprise: the same token with the same
key is answered again, because the first answer may have been lost and a site asks at each start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from importlib import metadata

import tomli
import tomli_w
from sqlalchemy.orm import Session

from blossomtune_gradio.errors import (
    InvalidInput,
    NotFound,
    NotPossible,
)
from blossomtune_gradio.flower.link import possession
from blossomtune_gradio.flower.link.site_keys import SiteKey, parse_public_key
from blossomtune_gradio.identity import Role, User, require_owner
from blossomtune_gradio.services.audit.trail import record
from blossomtune_gradio.services.entrances import Entrance, Entrances
from blossomtune_gradio.services.notices.outbox import Outbox
from blossomtune_gradio.services.options import Options
from blossomtune_gradio.services.people import activation
from blossomtune_gradio.services.people.limits import Limits
from blossomtune_gradio.services.sites import kit_files
from blossomtune_gradio.services.sites.joining import (
    JoinAnswer,
    TokenRefused,
    Welcome,
    holder,
    key_in_use,
    require_proof,
    take_key,
)
from blossomtune_gradio.settings import Settings
from blossomtune_gradio.store.database import Database
from blossomtune_gradio.store.models import NodeKey, Participant, ParticipantStatus, now

_KEY_IS_BURNT = "This key was used before and Flower never takes a key back."


class KitService:
    """Makes kits and answers those who use them."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        options: Options,
        outbox: Outbox,
        entrances: Entrances,
        on_change: Callable[[], None],
        limits: Limits | None = None,
    ) -> None:
        self._database, self._settings, self._options = database, settings, options
        self._outbox, self._entrances, self._on_change = outbox, entrances, on_change
        self._limits = limits or Limits()

    def make(self, participant_id: int, by: User) -> bytes:
        """A fresh kit as a zip file; the token of an earlier kit stops working.

        Raises:
            NotFound: there is no such participant.
            NotPossible: the participant is not approved, or took too many kits of late.
        """
        token = activation.new_token()
        with self._database.write() as session:
            row = _approved(session, participant_id, by, "get this kit")
            self._limits.take_kit(row.id)
            row.token_hash = activation.digest(token)
            row.token_expires_at = now() + self._lifetime
            entrance = self._entrances.chosen
            site_toml = self._site_toml(row, token, entrance, self._options.partitions(session))
            hours = self._settings.join_token_hours
            self._outbox.put(
                session, "kit_taken", row.email, site=row.site, by=by.name, hours=hours
            )
            _note(session, by, "make", row, valid_until=row.token_expires_at.isoformat())
        tomli.loads(site_toml)  # a kit that cannot be read must never leave the house
        return kit_files.packed(site_toml, entrance.ca)

    def join(
        self,
        token: str,
        public_key: str,
        proof: str = "",
        address: str = "",
        came_by: Entrance | None = None,
    ) -> JoinAnswer:
        """Take a site's public key. Called by the site itself; the token is its right.

        `proof` is the token signed with the private half (see `possession`); a key that is known
        already needs none. `address` is where the request comes from, for the audit log; `came_by`
        the entrance it used, which the answer names (without it: the one of new kits).

        Raises:
            TokenRefused: the token is unknown, or its time is up and it has not been used.
            NotAllowed: the site was revoked or is not approved (any more).
            NotPossible: the key is, or once was, somebody's; the token was used with another; or
                there is no proof.
            InvalidInput: this is no public key Flower accepts, or the proof was made with another.
        """
        key = parse_public_key(public_key)
        with self._database.write() as session:
            row, known = self._welcomed(session, token, key)
            if known is None:
                require_proof(key, token, proof)
                self._limits.take_key(row.id)
                known = take_key(session, row, key)
                site = User(
                    provider="site", sub=str(row.id), name=f"join.py of {row.site}", address=address
                )
                _note(session, site, "join", row, key=key.fingerprint)
            answer = JoinAnswer(
                site=row.site,
                partition_id=row.partition_id or 0,
                num_partitions=self._options.partitions(session),
                superlink=(came_by or self._entrances.chosen).address,
                node_id=known.node_id or None,
                registered=bool(known.node_id),
            )
        self._on_change()
        return answer

    def check(self, token: str, public_key: str = "") -> Welcome:
        """Whether `join` would take them; changes nothing. The key may not be made yet ("").

        Raises as `join` does.
        """
        key = parse_public_key(public_key) if public_key else None
        with self._database.read() as session:
            row, known = self._welcomed(session, token, key)
            return Welcome(
                site=row.site,
                partition_id=row.partition_id or 0,
                key_known=known is not None,
                token_expires_at=row.token_expires_at,
            )

    def accept_key(self, participant_id: int, pasted: str, by: User) -> SiteKey:
        """Take a key somebody made by hand; it replaces the one before.

        What is pasted is a signature of `ways`' word, which holds the key; an admin, who answers
        for it, may paste the public key alone.

        Raises:
            InvalidInput: this is no signature with a key Flower accepts (a private one is never
                repeated).
            NotFound, NotPossible: no such participant, not approved, or the key was used before.
        """
        key = self._pasted_key(participant_id, pasted, by)
        with self._database.write() as session:
            row = _approved(session, participant_id, by, "set the key of this site")
            known = session.get(NodeKey, key.fingerprint)
            if known is None:
                self._limits.take_key(row.id)
                take_key(session, row, key)
                _note(session, by, "key", row, key=key.fingerprint)
            elif known.participant_id != row.id or known.retired_at is not None:
                raise NotPossible(f"{_KEY_IS_BURNT} Make a new one: {kit_files.MAKE_KEY}")
        self._on_change()
        return key

    def ways(self, participant_id: int, by: User) -> Mapping[str, str]:
        """Texts for the page: how this site can be run. See `kit_files.ways` for the names."""
        with self._database.read() as session:
            row = _approved(session, participant_id, by, "see how to connect this site")
            partitions = self._options.partitions(session)
            ways = kit_files.ways(self._entrances.chosen, row.partition_id or 0, partitions)
            return {**ways, "prove": possession.prove_command(self._word(row.id))}

    def _pasted_key(self, participant_id: int, pasted: str, by: User) -> SiteKey:
        if possession.is_signature(pasted):
            return possession.key_of_signature(pasted, self._word(participant_id))
        key = parse_public_key(pasted)
        if by.role < Role.ADMIN:
            command = possession.prove_command(self._word(participant_id))
            raise InvalidInput(
                f"A public key alone does not show that it is yours. Type: {command} and paste all "
                "that it prints; the key is in it."
            )
        return key

    def _word(self, participant_id: int) -> str:
        """What this participant signs, here and nowhere else: of no use to anybody else."""
        here = "".join(filter(str.isalnum, self._entrances.fleet.ca_fingerprint)).lower()
        return f"blossomtune-{participant_id}-{here.removeprefix('sha256')[:16]}"

    def _welcomed(
        self, session: Session, token: str, key: SiteKey | None
    ) -> tuple[Participant, NodeKey | None]:
        """Whose token this is, and the key if it is theirs already; or the reason why not."""
        row = holder(session, token, key.fingerprint if key else "")
        known = session.get(NodeKey, key.fingerprint) if key else None
        if known is not None and (known.participant_id != row.id or known.retired_at is not None):
            raise NotPossible(
                f"{_KEY_IS_BURNT} Delete site.key in the kit's folder and run join.py again."
            )
        if known is None:
            self._require_unused(session, row)
        return row, known

    def _require_unused(self, session: Session, row: Participant) -> None:
        if row.token_expires_at is None or now() >= row.token_expires_at:
            raise TokenRefused("The token of this kit has expired. Get a new kit.")
        used = key_in_use(session, row)
        if used is not None and used.added_at > row.token_expires_at - self._lifetime:
            raise NotPossible(
                "This kit was used with another key. Keep site.key, or get a new kit for a new key."
            )

    @property
    def _lifetime(self) -> timedelta:
        return timedelta(hours=self._settings.join_token_hours)

    def _site_toml(self, row: Participant, token: str, entrance: Entrance, partitions: int) -> str:
        return tomli_w.dumps(
            {
                "site": row.site,
                "superlink": entrance.address,
                "join_url": entrance.join_url,
                "ca_fingerprint": entrance.ca_fingerprint,
                "token": token,
                "partition_id": row.partition_id,
                "num_partitions": partitions,
                "flwr": metadata.version("flwr"),
                "preload": [m for m in self._settings.site_preload.split(",") if m],
            }
        )


def _approved(session: Session, participant_id: int, by: User, what: str) -> Participant:
    row = session.get(Participant, participant_id)
    if row is None:
        raise NotFound("This participant does not exist (any more). Reload the page.")
    require_owner(by, row.user_id, what)
    if row.status is not ParticipantStatus.APPROVED:
        raise NotPossible(f"{row.site} is {row.status}; a kit needs an approved request.")
    return row


def _note(session: Session, by: User, verb: str, row: Participant, **after: object) -> None:
    record(session, by, f"kit.{verb}", f"participant:{row.id}", target_name=row.site, after=after)
