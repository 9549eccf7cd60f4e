"""An app without a strategy of Flower's."""
