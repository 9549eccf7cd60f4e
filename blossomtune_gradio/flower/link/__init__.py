"""What passes between us and Flower's programs: commands, Control API, keys, messages."""
