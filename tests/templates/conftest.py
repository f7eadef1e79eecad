from __future__ import annotations

from collections.abc import Iterator

import pytest

from flowlib_nb.sandbox import Sandbox, pool


@pytest.fixture(scope="session")
def shared_box() -> Iterator[Sandbox]:
    box = Sandbox(time_limit=0.5, memory_limit=32, output_limit=1, workers=1)
    yield box
    box.close()


@pytest.fixture
def box(shared_box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A sandbox with small limits, which ``render`` uses as well."""
    monkeypatch.setattr(pool, "sandbox", lambda: shared_box)
    return shared_box
