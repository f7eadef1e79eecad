from __future__ import annotations

from collections.abc import Iterator

import pytest

from flowlib_nb.sandbox import Sandbox


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """A sandbox with small limits and one worker, so that each evaluation follows the last."""
    box = Sandbox(time_limit=0.3, memory_limit=32, output_limit=1, workers=1)
    yield box
    box.close()


@pytest.fixture(scope="module")
def patient_box() -> Iterator[Sandbox]:
    """The same with much time, for what may be slow on a busy machine."""
    box = Sandbox(time_limit=20.0, memory_limit=32, output_limit=1, workers=1)
    yield box
    box.close()
