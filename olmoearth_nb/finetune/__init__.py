"""Fitting an encoder to labels: heads, low-rank deltas, parts that stand still, learning rates of layers."""
