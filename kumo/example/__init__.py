"""The example project that a first start brings."""

from __future__ import annotations

from kumo.example.bring import bring_example

__all__ = ["bring_example"]
