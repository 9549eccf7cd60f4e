"""What people do and what goes on by itself; the rooms import one way, see docs/architecture.md."""
