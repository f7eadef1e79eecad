"""The notebooks run from top to bottom, in a kernel of their own, and hold no secret."""

from __future__ import annotations

import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def execute(path: Path, folder: Path) -> nbformat.NotebookNode:
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return notebook


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.parametrize("with_key", [True, False])
def test_it_runs(
    path: Path, with_key: bool, workspace: Path, request: pytest.FixtureRequest
) -> None:
    key = request.getfixturevalue("key") if with_key else None
    saved = nbformat.writes(execute(path, workspace))
    assert "5750.0" in saved  # the demo's best row
    assert not re.search(r"Bearer [A-Za-z0-9_-]{16}", saved)
    if key:
        assert key not in saved
    # The throwaway workspace and the API go away with the session.
    assert os.listdir(workspace) == []


def test_there_is_a_demo() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["demo"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_saved_has_outputs_of_no_error(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    outputs = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
    assert outputs
    assert all(o.output_type != "error" for o in outputs)
    assert "Bearer " not in nbformat.writes(notebook)
