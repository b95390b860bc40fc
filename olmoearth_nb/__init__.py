"""Tokens of Earth-observation models: read, run, question and extend OlmoEarth v1 against v1.1.

Shape letters, everywhere the same: B batch, H W pixels, T timesteps, C bands, G band groups, P patch
size, N tokens, D width. What may be imported from here is listed in `__init__.pyi`, and loaded when it is first used.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
