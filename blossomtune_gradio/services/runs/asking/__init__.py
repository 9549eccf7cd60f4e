"""What people ask for: a run, its end, its place, what is kept of it."""
