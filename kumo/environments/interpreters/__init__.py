"""The Pythons of this machine: found, tried, installed, and numbered."""
