"""Interpreters and packages."""
