"""All that can go wrong for a known reason. Each message is a sentence that says what to do next.

What is shown on a page, in a terminal and in an API answer is `str(error)`, so a message never
carries a secret, a traceback or a path that only the operator may know.
"""


class BlossomError(Exception):
    """Base of every expected error. `status` is the HTTP status an API answers with."""

    status = 400


class InvalidInput(BlossomError):
    """A value that somebody typed cannot be used; nothing was changed."""

    status = 422

    def __init__(self, message: str, field: str = "") -> None:
        """`field` names the value, so that a form can say the sentence beside it."""
        super().__init__(message)
        self.field = field


class InvalidFields(InvalidInput):
    """Several values of one form cannot be used. `fields` has a sentence for each, by its name."""

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__(" ".join(fields.values()))
        self.fields = fields


class NotAllowed(BlossomError):
    """The user may not do this."""

    status = 403


class NotFound(BlossomError):
    """The thing that was named does not exist (any more)."""

    status = 404


class NotPossible(BlossomError):
    """A legal wish at the wrong moment, for example stopping what is already stopped."""

    status = 409


class SettingsError(BlossomError):
    """An option has a value the program cannot start with; the message names the variable."""


class DatabaseBusy(BlossomError):
    """Another program holds the database."""

    status = 503


class DatabaseFull(BlossomError):
    """The database has no room, or may not be written; what is there can be read."""

    status = 507


class ProcessFailed(BlossomError):
    """A child program did not start, did not become ready, or would not end."""

    status = 503


class FlowerError(BlossomError):
    """Flower refused a request, or answered something unexpected."""

    status = 502


class FlowerUnreachable(FlowerError):
    """The SuperLink does not answer."""

    status = 503
