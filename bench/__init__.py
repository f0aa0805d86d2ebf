"""Measurements, side by side in one run: `make bench`. Ratios count; the machine's own speed does not."""
