"""Loaders: each ends in a `Sample`, or raises an error that says what was given and what is valid."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
