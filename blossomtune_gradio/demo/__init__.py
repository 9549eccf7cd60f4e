"""The demonstration: a whole federation on one machine, started by one command."""
