"""nbval on a busy machine: it has an option for how long a cell may take, and none for how long a message may."""

from nbval.plugin import IPyNbCell

PATIENCE = 600
"""Seconds that nbval waits for each message of a kernel, in place of 5: slow is not wrong."""


def pytest_collection_modifyitems(items: list) -> None:
    """Gives every cell that patience."""
    for item in items:
        if isinstance(item, IPyNbCell):
            item.output_timeout = PATIENCE
