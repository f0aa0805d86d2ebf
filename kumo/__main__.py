"""`python -m kumo` is `kumo`."""

from __future__ import annotations

from kumo.cli import main

if __name__ == "__main__":
    main()
