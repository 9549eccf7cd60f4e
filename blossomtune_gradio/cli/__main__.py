"""`python -m blossomtune_gradio.cli` is `blossomtune`."""

import sys

from blossomtune_gradio.cli import main

sys.exit(main())
