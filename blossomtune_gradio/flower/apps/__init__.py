"""Flower apps in a folder: found, read and judged without running a line of them."""
