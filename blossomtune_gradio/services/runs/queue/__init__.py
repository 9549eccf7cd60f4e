"""Which run gets a slot, and what the others wait for."""
