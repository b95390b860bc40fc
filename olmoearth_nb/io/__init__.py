"""Files that are written whole or not at all, and files that come from elsewhere."""
