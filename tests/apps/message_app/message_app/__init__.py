"""An app of the Message API style, numpy only."""
