"""Scripts that are in no package, as modules."""

import importlib.util
import sys


def load_script(path):
    """The script at a path; it is registered, since dataclasses look their module up."""
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
