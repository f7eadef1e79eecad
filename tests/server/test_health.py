"""The server extension, asked over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import flowlib_nb

if TYPE_CHECKING:
    from .conftest import Server


def test_health(server: Server, workspace: Path) -> None:
    answer = server.get("flowlib/api/health")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json() == {
        "status": "ok",
        "name": "flowlib-nb",
        "version": flowlib_nb.__version__,
        "workspace": ".",
        "encryption_key": "missing",
    }
    assert str(workspace) not in answer.text


def test_behind_a_hub_with_a_key(hub_server: Server, key: str) -> None:
    answer = hub_server.get("flowlib/api/health")
    assert answer.json()["encryption_key"] == "available"
    assert key not in answer.text + hub_server.log.read_text()


@pytest.mark.parametrize("path", ["flowlib/api/health", "flowlib/api/none"])
def test_nobody_gets_in_without_the_token(server: Server, path: str) -> None:
    for token in (None, "wrong"):
        answer = server.get(path, token=token)
        assert answer.status_code in (401, 403)
        error = answer.json()["error"]
        assert error["code"] in ("UNAUTHENTICATED", "FORBIDDEN")
        assert error["request_id"]
        assert answer.headers["Cache-Control"] == "no-store"


def test_errors_have_one_shape(server: Server) -> None:
    answer = server.get("flowlib/api/none/at/all")
    assert answer.status_code == 404
    assert answer.json()["error"].keys() == {"code", "message", "issues", "request_id"}
    assert answer.json()["error"]["code"] == "NOT_FOUND"
    assert "Traceback" not in answer.text


def test_the_extension_loaded_without_complaint(server: Server) -> None:
    log = server.log.read_text()
    assert "flowlib_nb | extension was successfully loaded" in log
    assert "Traceback" not in log
