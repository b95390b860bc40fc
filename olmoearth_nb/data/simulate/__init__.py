"""A simulated world made of measured spectra (see the README of `data/`)."""
