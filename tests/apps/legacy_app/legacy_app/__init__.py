"""An app as it was written before the Message API."""
