"""Lines of Flower's programs that only tell that somebody asked. They would bury all others.

We look at the SuperLink every two seconds and each site every three; Flower logs every request
twice. A refused request (status 4xx or 5xx) is kept, because it may be the only trace of a fault.
"""

import re

from blossomtune_gradio.plain_text import plain

_ASKED = re.compile(
    r"ControlServicer\.(ListNodes|ListRuns|StreamLogs)\s*$"
    r'|\[uvicorn\.access\] .* HTTP/[\d.]+" [123]\d\d\s*$'
)


def is_noise(line: str) -> bool:
    """True for a line that nobody will miss."""
    return _ASKED.search(plain(line)) is not None
