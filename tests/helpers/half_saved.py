"""A process that is killed while it writes a checkpoint."""

import os
import signal

import torch


def die_in_save(number):
    """From now on, leaves half of what `torch.save` writes at its call of this number, and kills this process."""
    save, calls = torch.save, []

    def half(value, path):
        calls.append(path)
        save(value, path)
        if len(calls) == number:
            os.truncate(path, path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    torch.save = half
