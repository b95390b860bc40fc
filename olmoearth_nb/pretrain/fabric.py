"""Devices and processes of a run: one process, or all that torchrun started; and how they are interrupted."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from lightning_fabric import Fabric

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def launch(precision: str = "32-true") -> Fabric:
    """Lightning Fabric, launched: the best device here, or, under torchrun, one device for each of its processes.

    Args:
        precision: as Fabric names it.

    Raises:
        ModuleNotFoundError: if Fabric is not installed, saying how to.
    """
    try:
        from lightning_fabric import Fabric
        from lightning_fabric.strategies import DDPStrategy
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f'{error}; pip install "olmoearth_nb[scale]" brings it') from error

    chosen: Any = {"accelerator": "auto", "devices": 1, "precision": precision}
    if torch.distributed.is_available() and torch.distributed.is_torchelastic_launched():
        local, world = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["WORLD_SIZE"])
        # a micro-batch may lack a modality, whose weights then have no gradient in it
        spread = DDPStrategy(find_unused_parameters=True)
        chosen |= {"devices": local, "num_nodes": world // local, "strategy": spread if world > 1 else "auto"}
    fabric = Fabric(**chosen)
    fabric.launch()
    return fabric


class Interrupts:
    """Keeps Ctrl-C and SIGTERM from breaking into a step; `requested` says whether one came. A second stops at once.

    Only the main thread gets signals; elsewhere this does nothing. A signal that was ignored stays ignored.
    """

    requested = False

    def __enter__(self) -> Interrupts:
        main = threading.current_thread() is threading.main_thread()
        heard = [number for number in SIGNALS if main and signal.getsignal(number) != signal.SIG_IGN]
        self.before = {number: signal.signal(number, self._notice) for number in heard}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _notice(self, number: int, frame: FrameType | None) -> None:
        """Remembers the first signal."""
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        os.write(2, b"\nstopping after this step; once more stops at once\n")


def stand_apart(worker: int) -> None:
    """Puts a process that loads data into a group of its own, which Ctrl-C and torchrun's SIGTERM do not reach.

    The process that trains can so finish its step. It ends its workers itself; if it is killed they end too, since they
    watch it.
    """
    os.setpgid(0, 0)
