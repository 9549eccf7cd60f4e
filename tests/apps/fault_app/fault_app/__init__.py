"""An app that goes wrong on request."""
