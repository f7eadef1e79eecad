"""The command as a script calls it: in a process of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from flowlib_nb.demo.orders_api import OrdersApi
from flowlib_nb.vault import Vault, generate_key
from flowlib_nb.vault.keys import KEY_VARIABLE, parse_key

from .command import flowlib, in_a_terminal

FLOW = "nodes: {a: {uses: js, with: {code: '[{x: inputs.n}, {x: 2}]'}}}\ninputs: {n: 1}"


def test_the_demo_prints_its_frame_and_its_trace(workspace: Path) -> None:
    done = flowlib("demo")
    assert done.returncode == 0, done.stderr
    assert "5750.00" in done.stdout
    for node in ("rates", "orders", "paid", "best", "customers", "people", "report", "result"):
        assert f"✓ {node}" in done.stdout
    assert "6,919 rows" in done.stdout
    assert done.stderr == ""
    assert os.listdir(workspace) == []
    assert list(Path(os.environ["HOME"]).rglob("*.key")) == []


def test_secret_prints_one_key_and_nothing_else() -> None:
    done = flowlib("secret")
    assert parse_key(done.stdout)
    assert done.stdout.count("\n") == 1
    assert done.stdout.startswith("flk1_")
    assert done.stderr == ""
    assert done.stdout != flowlib("secret").stdout


def test_run_writes_each_format(workspace: Path) -> None:
    (workspace / "f.yaml").write_text(FLOW)
    assert "x" in flowlib("run", "f.yaml").stdout
    assert json.loads(flowlib("run", "f.yaml", "--json").stdout) == [{"x": 1}, {"x": 2}]
    assert flowlib("run", "f.yaml", "--in", "n=7", "--format", "csv").stdout == "x\n7\n2\n"
    steps = "nodes: {a: {uses: js, with: {code: '1'}}, b: {uses: js, with: {code: null.x}}}"
    assert flowlib("run", "-", "--json", "--to", "a", stdin=steps).stdout == "1\n"
    raw = subprocess.run(
        [sys.executable, "-m", "flowlib_nb", "run", "f.yaml", "--format", "parquet"],
        capture_output=True, timeout=60, check=True,
    ).stdout  # fmt: skip
    assert pd.read_parquet(io.BytesIO(raw))["x"].tolist() == [1, 2]
    assert json.loads(flowlib("run", "-", "--json", stdin=FLOW).stdout)[0] == {"x": 1}


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "word"),
    [
        (["run", "none.yaml"], "", 2, "none.yaml"),
        (["run", "-"], "a: b: c", 2, "line 1, column 5"),
        (["run", "-"], "nodes: {a: {uses: js, with: {code: null.x}}}", 1, "'a' failed"),
        (["run", "-", "--in", "x"], FLOW, 2, "NAME=VALUE"),
        (["run", "-", "--in", "m=1"], FLOW, 2, "no input 'm'"),
        (["validate", "-"], "nodes: {a: {uses: jss}}", 2, "Did you mean 'js'"),
        (["nonsense"], "", 2, "nonsense"),
        ([], "", 2, "usage"),
        (["vault", "set", "c", "--stdin"], "{}", 2, "no encryption key"),
        (["vault", "rm", "c"], "", 2, "key"),
    ],
)
def test_mistakes_go_to_standard_error_with_a_code(
    arguments: list[str], stdin: str, code: int, word: str, workspace: Path
) -> None:
    done = flowlib(*arguments, stdin=stdin)
    assert done.returncode == code
    assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_validate(workspace: Path) -> None:
    assert flowlib("validate", "-", stdin=FLOW).returncode == 0
    done = flowlib("validate", "-", "--json", stdin="nodes:\n  a: {uses: jss}")
    (problem,) = json.loads(done.stdout)
    assert (problem["code"], problem["line"], problem["path"]) == (
        "unknown_action", 2, ["nodes", "a", "uses"],
    )  # fmt: skip


def test_credentials_from_standard_input(workspace: Path, key: str, token: str) -> None:
    fields = json.dumps({"token": token})
    done = flowlib(
        "vault", "set", "shop", "--type", "bearer", "--hosts", "a.b,c.d", "--stdin", stdin=fields
    )
    assert done.returncode == 0, done.stderr
    listed = flowlib("vault", "list", "--json")
    assert json.loads(listed.stdout)[0]["hosts"] == ["a.b", "c.d"]
    assert token not in done.stdout + done.stderr + listed.stdout
    assert Vault.open().get("shop").token.reveal() == token
    assert flowlib("vault", "rm", "shop").returncode == 0
    assert json.loads(flowlib("vault", "list", "--json").stdout) == []


def test_what_is_wrong_with_the_fields_is_said_without_them(
    workspace: Path, key: str, token: str
) -> None:
    for text in (json.dumps({"tokn": token}), f'"{token}"', f"{token}", json.dumps({token: "x"})):
        done = flowlib("vault", "set", "c", "--type", "bearer", "--stdin", stdin=text)
        assert done.returncode == 2
        assert token not in done.stdout + done.stderr


def test_a_terminal_is_asked_without_echo(workspace: Path, key: str, token: str) -> None:
    code, shown = in_a_terminal(
        "vault", "set", "c", "--type", "bearer", answers=(("token of", token),)
    )
    assert code == 0, shown
    assert token not in shown
    assert Vault.open().get("c").token.reveal() == token


def test_flows_use_the_workspaces_credentials(shop: Vault, api: OrdersApi) -> None:
    text = f"nodes: {{a: {{uses: http.request, credential: shop, with: {{url: '{api.url}/customers/1'}}}}}}"
    done = flowlib("run", "-", "--json", stdin=text)
    assert json.loads(done.stdout)["body"]["customer_id"] == 1


def test_a_pipe_that_closes_early_is_no_error(workspace: Path) -> None:
    (workspace / "f.yaml").write_text(
        "nodes: {a: {uses: js, with: {code: 'Array.from({length: 100000}, (_, i) => ({i}))'}}}"
    )
    done = subprocess.run(
        f"{sys.executable} -m flowlib_nb run f.yaml --format csv | head -1",
        shell=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == "i\n"
    assert done.stderr == ""


def doctor() -> tuple[int, dict[str, str], str]:
    """The exit code, the state of each check, and all texts."""
    done = flowlib("doctor", "--json")
    checks = json.loads(done.stdout)
    return done.returncode, {n: c["state"] for n, c in checks.items()}, done.stdout


def test_doctor_finds_nothing_wrong(workspace: Path) -> None:
    code, states, text = doctor()
    assert code == 0
    assert states["sandbox"] == states["server extension"] == states["lab extension"] == "ok"
    assert states["encryption key"] == states["vault"] == "absent"
    assert "flowlib init" in text
    assert "✓ sandbox" in flowlib("doctor").stdout


def test_doctor_finds_what_is_broken(
    shop: Vault, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert doctor()[:2] == (0, {**doctor()[1], "vault": "ok", "encryption key": "ok"})
    other = generate_key()
    monkeypatch.setenv(KEY_VARIABLE, other)
    code, states, text = doctor()
    assert (code, states["encryption key"], states["vault"]) == (2, "ok", "broken")
    assert "not the one" in text
    assert other not in text
    monkeypatch.setenv(KEY_VARIABLE, "nonsense")
    assert doctor()[1]["encryption key"] == "broken"
    monkeypatch.setenv(KEY_VARIABLE, key)
    Path(shop.path).write_text("{}")
    assert doctor()[1]["vault"] == "broken"
    monkeypatch.delenv(KEY_VARIABLE)
    monkeypatch.setenv("FLOWLIB_ENV", "production")
    assert doctor()[1]["encryption key"] == "broken"
    monkeypatch.setenv("FLOWLIB_ENV", "prod")
    assert doctor()[1]["environment"] == "broken"


def test_version() -> None:
    assert flowlib("--version").stdout.startswith("flowlib-nb ")
