"""What a participant runs. In a kit this folder is called `blossomtune_site`.

A program of its own: it needs Python 3.11 and flwr, and imports nothing of the server's.
`join.py` is the way in, `command.py` what it does; each other file is one subject.
"""
