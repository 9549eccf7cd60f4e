"""Start here: settings -> Application -> web. `python app.py` is `blossomtune serve`.

A Hugging Face Space runs this file.
"""

import sys

from blossomtune_gradio.cli import main

if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]]))
