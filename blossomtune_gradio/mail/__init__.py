"""One mail to one person through one mail server, within limits of time.

Knows SMTP and nothing of participants, templates or the database.
"""

from blossomtune_gradio.mail.postman import Letter, MailNotTaken, MailUnknown, Patience, Postman
from blossomtune_gradio.mail.server import MailServer, parse_sender, parse_server

__all__ = [
    "Letter",
    "MailNotTaken",
    "MailServer",
    "MailUnknown",
    "Patience",
    "Postman",
    "parse_sender",
    "parse_server",
]
