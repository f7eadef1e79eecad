"""What people get who install the project, and that they need no Node.js for it."""

from __future__ import annotations

import json
import shutil
import tarfile
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

import flowlib_nb

from .conftest import REPOSITORY, call

pytestmark = pytest.mark.packaging

VERSION = flowlib_nb.__version__
DATA = f"flowlib_nb-{VERSION}.data/data"
LAB = f"{DATA}/share/jupyter/labextensions/flowlib-nb"
SERVER = f"{DATA}/etc/jupyter/jupyter_server_config.d/flowlib_nb.json"
INFO = f"flowlib_nb-{VERSION}.dist-info"


def is_of_lab(name: str) -> bool:
    """Whether a file is one of a release build of the lab extension."""
    return name in (f"{LAB}/package.json", f"{LAB}/install.json") or (
        name.startswith(f"{LAB}/static/") and name.endswith((".js", ".json", ".js.LICENSE.txt"))
    )


def test_a_wheel_holds_all_that_is_needed_and_nothing_else(
    any_wheel: Path, sources: list[str]
) -> None:
    with ZipFile(any_wheel) as opened:
        names = {name for name in opened.namelist() if not name.endswith("/")}
        lab = json.loads(opened.read(f"{LAB}/package.json"))
        server = json.loads(opened.read(SERVER))
        metadata = Parser().parsestr(opened.read(f"{INFO}/METADATA").decode())
    assert {
        "flowlib_nb/demo/flow.yaml",
        "flowlib_nb/demo/data/cdnow_orders.csv.gz",
        "flowlib_nb/sandbox/prelude.js",
        "flowlib_nb/vault/FORMAT.md",
        "flowlib_nb/py.typed",
        f"{LAB}/install.json",
        f"{LAB}/{lab['jupyterlab']['_build']['load']}",
        f"{INFO}/licenses/LICENSE",
    } <= names
    package = {name for name in names if name.startswith("flowlib_nb/")}
    assert package == {name for name in sources if name.startswith("flowlib_nb/")}
    rest = names - package - {SERVER}
    assert [n for n in rest if not is_of_lab(n) and not n.startswith(f"{INFO}/")] == []
    assert server == {"ServerApp": {"jpserver_extensions": {"flowlib_nb": True}}}
    assert lab["version"] == metadata["Version"] == VERSION
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"


def test_the_sdist_holds_the_sources_and_the_built_lab_extension(
    sdist: Path, sources: list[str]
) -> None:
    with tarfile.open(sdist) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    built = {name for name in names if name.startswith("flowlib_nb/labextension/")}
    assert "flowlib_nb/labextension/static/style.js" in built
    assert {"LICENSE", "README.md", "pyproject.toml", "labextension/yarn.lock"} <= names
    assert "labextension/src/index.ts" in names
    assert names - built - {"PKG-INFO"} <= set(sources)


def test_an_installed_wheel_works_without_node(installed: Path, workspace: Path) -> None:
    assert shutil.which("node", path=str(installed)) is None
    python = installed / "python"
    where = call(python, "-c", "import flowlib_nb; print(flowlib_nb.__file__)", path=installed)
    assert where.startswith(str(installed.parent))
    for command in ([installed / "flowlib"], [python, "-m", "flowlib_nb"]):
        assert VERSION in call(*command, "--version", path=installed)
    assert "5750.0" in call(installed / "flowlib", "demo", path=installed)
    # `jupyter server extension list` and `jupyter labextension list` run these modules.
    listed = call(python, "-m", "jupyter_server.extension.serverextension", "list", path=installed)
    assert f"flowlib_nb {VERSION} OK" in " ".join(listed.split())
    listed = call(python, "-m", "jupyterlab.labextensions", "list", path=installed)
    assert f"flowlib-nb v{VERSION} enabled OK" in " ".join(listed.split())
    assert str(installed.parent / "share") in listed


@pytest.mark.parametrize("name", ["package.json", "yarn.lock"])
def test_the_lab_extension_names_no_registry(name: str) -> None:
    text = (REPOSITORY / "labextension" / name).read_text()
    for word in ("resolved", "://registry", "npmjs", "yarnpkg"):
        assert word not in text
