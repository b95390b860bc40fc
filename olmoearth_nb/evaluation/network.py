"""A small network as a probe: what embeddings hold beyond what a linear probe can separate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from olmoearth_nb.evaluation.probes import Split, checked_queries, require_classes

WIDTH, EPOCHS, ROWS = 384, 30, 256
"""Units of a layer, passes over the training rows, and rows a step."""

EVERY = 5
"""Epochs between two looks at the validation split."""

RATE, DECAY, DROPOUT, NOISE = 2e-3, 3e-2, 0.3, 0.05
"""Learning rate, weight decay, and what is done against learning by heart; noise in standard deviations."""


class Network(nn.Module):
    """Three hidden layers, the last two of them residual.

    Args:
        inputs: D.
        classes: number of answers.
    """

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.first, self.last, self.drop = nn.Linear(inputs, WIDTH), nn.Linear(WIDTH, classes), nn.Dropout(DROPOUT)
        self.middle = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """(n, D) to (n, classes)."""
        x = self.drop(F.gelu(self.first(x)))
        for layer in self.middle:
            x = x + self.drop(F.gelu(layer(x)))
        return self.last(x)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A network with the standardisation that it was fitted to.

    Attributes:
        network: in evaluation mode.
        scaler: scikit-learn's, fitted to the training rows.
    """

    network: Network
    scaler: Any

    def scores(self, x: np.ndarray) -> np.ndarray:
        """(n, D) to (n, classes) logits."""
        return _scores(self.network, torch.tensor(self.scaler.transform(x)).float()).numpy()

    def predict(self, x: np.ndarray) -> np.ndarray:
        """(n, D) to (n,) answers."""
        return self.scores(x).argmax(1)


def network_probe(train: Split, valid: Split, queries: np.ndarray, seed: int = 0) -> np.ndarray:
    """Answers of `fitted_network`.

    Args:
        train: rows to fit.
        valid: rows to choose the epoch on; never the test.
        queries: (m, D).
        seed: of initial weights, order, dropout and noise.

    Returns:
        (m,) answers.

    Raises:
        ValueError: if answers are no classes, or queries hold NaN.
    """
    require_classes(train, valid)
    queries = checked_queries(train, queries)
    return fitted_network(train, valid, seed).predict(queries)


def fitted_network(train: Split, valid: Split, seed: int = 0) -> Fitted:
    """A small network, as it was after that of its epochs which does best on the validation split.

    Where two traits are each embedded along a line, a linear probe cannot tell whether they agree, since that is an
    exclusive or; this network can. (Scored on the validation split, its epoch is chosen on the scored rows, just as
    the linear probe's strength is.)

    Args:
        train: rows to fit.
        valid: rows to choose the epoch on; never the test.
        seed: of initial weights, order, dropout and noise.

    Raises:
        ValueError: if answers are no classes.
    """
    from sklearn.preprocessing import StandardScaler

    require_classes(train, valid)
    scaler = StandardScaler().fit(train.x)
    known, check = (torch.tensor(scaler.transform(x)).float() for x in (train.x, valid.x))
    target = torch.tensor(train.y, dtype=torch.long)
    best, kept = -1.0, {}
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        network = Network(known.shape[1], int(train.y.max()) + 1)
        optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, EPOCHS * -(-len(target) // ROWS))
        for epoch in range(1, EPOCHS + 1):
            for rows in torch.randperm(len(target)).split(ROWS):
                # like dropout, noise keeps few rows from being learnt by heart
                noisy = known[rows] + NOISE * torch.randn(len(rows), known.shape[1])
                optimiser.zero_grad()
                F.cross_entropy(network.train()(noisy), target[rows]).backward()
                optimiser.step()
                schedule.step()
            if epoch % EVERY == 0:
                score = float((_scores(network, check).argmax(1).numpy() == valid.y).mean())
                if score > best:
                    best, kept = score, {name: value.clone() for name, value in network.state_dict().items()}
        network.load_state_dict(kept)
    return Fitted(network.eval(), scaler)


@torch.no_grad()
def _scores(network: Network, x: Tensor) -> Tensor:
    """(n, classes) logits."""
    return network.eval()(x)
