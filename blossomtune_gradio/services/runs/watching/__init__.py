"""Whom a run waits for, and what each site did."""
