"""What is being stored is not swept, and for a while after; what nobody claims is."""

from __future__ import annotations

from pathlib import Path

import pytest

from kumo.projects.store.objects import ObjectStore


def test_what_was_just_stored_is_not_swept(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    with store.batch() as batch:
        digest = batch.add(b"stored")
    assert store.sweep(()) == (0, 0)  # a row may be about to name it
    assert store.read(digest) == b"stored"


def test_what_an_open_batch_has_found_is_not_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kumo.projects.store.claims.LASTS_SECONDS", -1.0)
    store = ObjectStore(tmp_path)
    with store.batch() as batch:
        kept = batch.add(b"kept")
        batch.add(b"found")
    with store.batch() as batch:
        batch.add(b"found")
        assert store.sweep({kept}) == (0, 0)
    assert store.sweep({kept}) == (1, 5)
    assert store.read(kept) == b"kept"


def test_an_upload_that_fails_lets_go_of_what_it_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kumo.projects.store.claims.LASTS_SECONDS", -1.0)
    store = ObjectStore(tmp_path)
    with store.batch() as batch:
        batch.add(b"there")
    with pytest.raises(RuntimeError), store.batch() as batch:
        batch.add(b"there")
        raise RuntimeError
    assert store.sweep(()) == (1, 5)
