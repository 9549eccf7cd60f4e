"""Every number we publish comes from here: `make bench`, or `make bench ONLY=startup`."""
