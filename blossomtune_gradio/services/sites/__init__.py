"""Approved sites: their kits and keys, the wish compared with Flower, who is online."""
