"""How a run really ended, and why."""
