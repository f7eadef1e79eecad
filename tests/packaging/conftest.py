"""The wheel and the source distribution, each from a clean copy, where no Node.js is on ``PATH``."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def call(*command: str | Path, path: Path, tools: Path | None = None) -> str:
    """What a command says, with one folder on ``PATH`` and Python packages from another."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment["PATH"] = str(path)
    if tools is not None:
        environment["PYTHONPATH"] = str(tools)
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return re.sub(r"\x1b\[\d*m", "", ended.stdout + ended.stderr)


def pip_wheel(
    source: Path, into: Path, *options: str, path: Path, tools: Path | None = None
) -> Path:
    call(
        sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", into, *options, source,
        path=path, tools=tools,
    )  # fmt: skip
    (built,) = into.iterdir()
    return built


@pytest.fixture(scope="session")
def sources() -> list[str]:
    """The files that git tracks or would; builds are ignored by it."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return [name for name in listed.split("\0") if name and (REPOSITORY / name).is_file()]


@contextmanager
def checkout(sources: list[str]) -> Iterator[Path]:
    """A copy for one build, removed after it: with Node.js packages it is big."""
    with tempfile.TemporaryDirectory(prefix="flowlib-checkout-") as folder:
        for name in sources:
            copy = Path(folder, name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, copy)
        yield Path(folder)


@pytest.fixture(scope="session")
def nowhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder: a ``PATH`` on which there is no Node.js, nor anything else."""
    return tmp_path_factory.mktemp("nowhere")


@pytest.fixture(scope="session")
def tools() -> Iterator[Path]:
    """What pyproject.toml says is needed to build."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    with tempfile.TemporaryDirectory(prefix="flowlib-tools-") as folder:
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--target", folder,
             *project["build-system"]["requires"]],
            check=True,
        )  # fmt: skip
        yield Path(folder)


@pytest.fixture(scope="session")
def wheel(sources: list[str], nowhere: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """From a checkout, as ``pip install .`` makes it."""
    with checkout(sources) as folder:
        return pip_wheel(folder, tmp_path_factory.mktemp("wheel"), path=nowhere)


@pytest.fixture(scope="session")
def sdist(sources: list[str], tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """From another checkout, so that neither finds the other's build of the lab extension."""
    into = tmp_path_factory.mktemp("sdist")
    with checkout(sources) as folder:
        # Hatchling builds the project in the working directory.
        build = (
            f"import os, hatchling.build; os.chdir({str(folder)!r});"
            f"hatchling.build.build_sdist({str(into)!r})"
        )
        call(sys.executable, "-c", build, path=tools / "bin", tools=tools)
    (built,) = into.iterdir()
    return built


@pytest.fixture(scope="session")
def wheel_of_sdist(
    sdist: Path, nowhere: Path, tools: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """With the tools to import but not on ``PATH``, so that no command can build anything."""
    into = tmp_path_factory.mktemp("wheel-of-sdist")
    return pip_wheel(sdist, into, "--no-build-isolation", path=nowhere, tools=tools)


@pytest.fixture(scope="session", params=["wheel", "wheel_of_sdist"])
def any_wheel(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def installed(wheel: Path, nowhere: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of a fresh environment with the wheel."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    commands = folder / "bin"
    call(
        sys.executable, "-m", "pip", "--python", commands / "python",
        "install", "--no-deps", "--no-index", wheel,
        path=nowhere,
    )  # fmt: skip
    # What the project depends on is taken from the tests' own environment, after what is new.
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return commands
