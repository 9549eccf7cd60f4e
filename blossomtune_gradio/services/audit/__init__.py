"""Who did what, when and from where: written once, hash-chained, searched and exported."""
