"""Which databases a test runs on."""

from __future__ import annotations

import pytest

# For what no database can change: the fixtures `database` and `client` are made on both otherwise.
on_one_database = pytest.mark.parametrize("stored_settings", ["sqlite"], indirect=True)
