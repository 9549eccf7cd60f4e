"""Runs: asked for, queued, carried out, watched, judged, and kept."""
