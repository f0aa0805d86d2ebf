"""Kumo schedules and runs Python script projects."""

__version__ = "0.1.0"
