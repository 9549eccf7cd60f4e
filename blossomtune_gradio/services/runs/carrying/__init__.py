"""One run in its slot: handed to Flower, followed to its end."""
