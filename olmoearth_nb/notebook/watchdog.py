"""Kernels without a time limit: what ends a cell is silence, not duration.

A slow machine takes long for a cell, and shows that it works: the cell prints, or its processes use the CPU. A kernel
that does neither for minutes hangs. A limit on the duration of a cell would end the first and wait long for the second.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import psutil
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError
from nbformat import NotebookNode
from nbformat.v4 import new_output
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines

from olmoearth_nb.errors import PlainError

SILENCE = 300.0
"""Seconds without output and without CPU use after which a kernel is killed."""

IDLE = 0.001
"""Fraction of one CPU core that counts as no use. Measured: a waiting kernel takes under 0.01 s in 30 s."""

PATIENCE = 600
"""Seconds that a kernel may take to start, and that outputs may take to arrive after their cell has ended."""

ENGINE = "watched"
"""Name of the engine under which papermill finds `WatchedEngine`."""


class KernelLostError(PlainError):
    """A kernel did not start, died, or fell silent and was killed."""


class Watched(NotebookClient):
    """An nbclient client whose kernel is killed when it falls silent.

    Attributes:
        silence: seconds without output and CPU use that are too long.
    """

    silence: float = SILENCE

    def __init__(self, *args: Any, silence: float = SILENCE, **options: Any) -> None:
        super().__init__(*args, timeout=None, startup_timeout=PATIENCE, iopub_timeout=PATIENCE, **options)
        self.silence = silence
        self._messages, self._fell_silent = 0, False

    def process_message(self, *args: Any, **options: Any) -> NotebookNode | None:
        """Counts the kernel's messages, each of which is a sign of life."""
        self._messages += 1
        return super().process_message(*args, **options)

    def execute(self, **options: Any) -> NotebookNode:
        """Executes the notebook while a thread watches its kernel.

        Returns:
            The executed notebook.

        Raises:
            KernelLostError: if the kernel is lost; the error stands among the outputs of the cell that ran.
        """
        done = threading.Event()
        watch = threading.Thread(target=self._watch, args=(done,), daemon=True)
        watch.start()
        try:
            return super().execute(**options)
        except (CellTimeoutError, RuntimeError) as error:  # of the kernel: what a cell raises arrives as output
            raise self._lost(error) from error
        finally:
            done.set()
            watch.join()

    def _watch(self, done: threading.Event) -> None:
        """Kills the kernel after `silence` seconds without output and without CPU use.

        It counts its own looks, not the time by the clock: where the whole machine stood still, so did the watch.
        """
        look = min(5.0, self.silence / 10)
        quiet, signs, used = 0.0, 0, 0.0
        while not done.wait(look):
            processes = kernel_processes(self)
            messages, seconds = self._messages, cpu_seconds(processes)
            if not processes or messages != signs or abs(seconds - used) > IDLE * self.silence:
                quiet, signs, used = 0.0, messages, seconds
                continue
            quiet += look
            if quiet >= self.silence:
                self._fell_silent = True  # nbclient sees the dead kernel within a second, wherever it waits
                for process in processes:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()
                return

    def _lost(self, error: Exception) -> KernelLostError:
        """What happened to the kernel, with the cell; also written among that cell's outputs."""
        reason = f"no output and no CPU use for {self.silence:.0f} s" if self._fell_silent else f"{error}"
        number = self.code_cells_executed
        if number == 0:
            return KernelLostError(f"before the first cell: {reason}")
        cell = [cell for cell in self.nb.cells if cell.cell_type == "code" and cell.source.strip()][number - 1]
        cell.outputs.append(new_output("error", ename="KernelLostError", evalue=reason, traceback=[reason]))
        return KernelLostError(f"cell {number}: {reason}")


class WatchedClient(Watched, PapermillNotebookClient):
    """Papermill's client with a watched kernel."""


class WatchedEngine(NBClientEngine):
    """Papermill's engine with a watched kernel; `papermill.execute_notebook(..., engine_name=ENGINE, silence=...)`."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, *, silence: float = SILENCE, **options: Any
    ) -> NotebookNode:
        """Executes a notebook with the limits of this module; papermill's other options have no meaning here.

        Raises:
            KernelLostError: if the kernel is lost.
        """
        client = WatchedClient(nb_man, kernel_name=kernel_name, silence=silence, extra_arguments=["--log-level=ERROR"])
        return client.execute()


papermill_engines.register(ENGINE, WatchedEngine)


def kernel_processes(client: NotebookClient) -> list[psutil.Process]:
    """The process of a client's kernel and all below it; none before it has started and after it has ended."""
    provisioner = getattr(client.km, "provisioner", None)
    if provisioner is None or provisioner.pid is None:
        return []
    try:
        kernel = psutil.Process(provisioner.pid)
        return [kernel, *kernel.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """CPU time that processes and their ended children have used, in seconds."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error):  # it has ended since it was listed, or is another user's
            total += sum(process.cpu_times()[:4])  # user, system, and the same of ended children
    return total
