"""Kernel and server find the same workspace, without being told."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest
import websocket

from ..jupyter_process import SERVER_TOKEN, Server


def output_of(server: Server, folder: str, code: str) -> str:
    """What code prints in a kernel that the server starts for a notebook in a folder."""
    headers = {"Authorization": f"token {SERVER_TOKEN}"}
    kernel = server.client.post(
        "api/kernels", headers=headers, json={"name": "python3", "path": f"{folder}/n.ipynb"},
        timeout=60,
    ).json()["id"]  # fmt: skip
    address = server.url.replace("http", "ws", 1) + f"api/kernels/{kernel}/channels"
    socket = websocket.create_connection(address, header=headers, timeout=60)
    message = {
        "header": {
            "msg_id": uuid4().hex, "msg_type": "execute_request", "username": "", "version": "5.3",
            "session": uuid4().hex,
        },
        "parent_header": {}, "metadata": {}, "channel": "shell",
        "content": {"code": code, "silent": False, "allow_stdin": False},
    }  # fmt: skip
    socket.send(json.dumps(message))
    printed, missing = "", {"execute_reply", "idle"}
    # The reply and the outputs come over different channels, in any order.
    while missing:
        answer = json.loads(socket.recv())
        if answer["parent_header"].get("msg_id") != message["header"]["msg_id"]:
            continue
        if answer["msg_type"] == "stream":
            printed += answer["content"]["text"]
        missing -= {answer["msg_type"], answer["content"].get("execution_state")}
    socket.close()
    server.client.delete(f"api/kernels/{kernel}", headers=headers, timeout=60)
    return printed


CODE = "import flowlib_nb as fl; print(fl.Vault.open().path)"


@pytest.mark.parametrize("folder", ["", "deep/er"])
def test_of_a_new_project(server: Server, workspace: Path, folder: str) -> None:
    (workspace / folder).mkdir(parents=True, exist_ok=True)
    path = output_of(server, folder, CODE).strip()
    assert path == str(workspace.resolve() / ".flowlib" / "vault.json")
    assert server.get("flowlib/api/health").json()["workspace"] == "."


def test_a_nearer_workspace_counts(server: Server, workspace: Path) -> None:
    (workspace / "own" / ".flowlib").mkdir(parents=True)
    path = output_of(server, "own", CODE).strip()
    assert path == str(workspace.resolve() / "own" / ".flowlib" / "vault.json")
