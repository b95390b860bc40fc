"""Studies: arms that are compared on the same seeds and tiles, and what is found."""
