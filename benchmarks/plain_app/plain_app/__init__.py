"""What a reader of Flower's documentation would write. Only for the benchmark."""
