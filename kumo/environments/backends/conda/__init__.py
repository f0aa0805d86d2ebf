"""Builds of conda packages, and the program that solves and installs them."""
