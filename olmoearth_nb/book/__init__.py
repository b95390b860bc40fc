"""The notebooks as a book: made from their sources, executed, and shown as pages."""
