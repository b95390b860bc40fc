"""Pretraining: recipes as data, masks, losses, and runs that survive an interruption."""
