"""The magics as a user meets them: in a kernel of its own process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flowlib_nb.demo.orders_api import OrdersApi
from flowlib_nb.vault import Vault, generate_key

if TYPE_CHECKING:
    from .conftest import Kernel

HELLO = "%%flow\nnodes:\n  hello: {uses: js, with: {code: '[{a: 1}, {a: 2}]'}}"


def test_a_flow_without_credentials_needs_no_key(kernel: Kernel) -> None:
    outcome = kernel.run(HELLO)
    assert outcome.status == "ok"
    assert "hello" in outcome.text
    assert "success" in outcome.text
    assert "<table" in outcome.html
    assert kernel.run("_.df['a'].sum()").text == "np.int64(3)"


def test_the_run_goes_into_a_variable(kernel: Kernel) -> None:
    for head in ("%%flow -o run", "%%flow run <<", "%%flow name --output run"):
        outcome = kernel.run(HELLO.replace("%%flow", head))
        assert outcome.status == "ok"
        assert len(outcome.data) == 1
        assert kernel.run("len(run.df)").text == "2"
    assert kernel.run("again = %flow name\nagain.output[0]").text == "{'a': 1}"
    assert kernel.run(HELLO.replace("%%flow", "%%flow --quiet -o q")).data == []


def test_inputs_come_from_the_line_and_from_variables(kernel: Kernel) -> None:
    kernel.run("import pandas as pd\nframe = pd.DataFrame({'x': [1, 2]})\nfactor = 3")
    outcome = kernel.run(
        "%%flow -o run --in factor --in plus=4\ninputs: {rows: $frame}\n"
        "nodes: {a: {uses: js, with: {code: 'inputs.rows.map(r => r.x * inputs.factor + inputs.plus)'}}}"
    )
    assert outcome.status == "ok", outcome.error
    assert kernel.run("run.output").text == "[7, 10]"


def test_functions_of_the_notebook_are_called(kernel: Kernel) -> None:
    kernel.run("def double(x):\n    print('called')\n    return 2 * x")
    outcome = kernel.run(
        "%%flow\nnodes: {a: {uses: python, with: {function: double, args: {x: 21}}}}"
    )
    assert "42" in outcome.text
    assert "called" in outcome.stdout


@pytest.mark.parametrize(
    ("cell", "ename", "words"),
    [
        ("%%flow\na: b: c", "FlowValidationError", ["line 2, column 5", "not YAML"]),
        (
            "%%flow\nnodes:\n  a: {uses: jss}",
            "FlowValidationError",
            ["line 3", "did you mean 'js'"],
        ),
        (
            "%%flow\nnodes:\n  a: {uses: http.request, credential: c, with: {url: x}}",
            "FlowValidationError",
            ["line 3", "no credential 'c'", "%flowlib_secret set c"],
        ),
        (
            "%%flow\nnodes:\n  a: {uses: http.request, with: {url: 'http://127.0.0.1:9/'}}",
            "FlowFailedError",
            ["line 3", "could not reach http://127.0.0.1:9"],
        ),
        ("%%flow\nnodes:\n  a: {uses: js, with: {code: null.x}}", "FlowFailedError", ["line 3"]),
        ("%%flow --nope\nnodes: {}", "UsageError", ["--nope"]),
        ("%flow", "UsageError", ["%%flow"]),
        ("%flow nobody", "InputError", ["nobody"]),
        ("%flow --file none.yaml", "InputError", ["none.yaml"]),
        ("%flowlib_secret set c", "KeyMissingError", ["%flowlib_secret init"]),
        ("%flowlib_secret bogus", "UsageError", ["choose from init, set"]),
        ("%flowlib_secret rm c", "KeyMissingError", ["key"]),
    ],
)
def test_each_mistake_is_one_clear_message(
    kernel: Kernel, cell: str, ename: str, words: list[str]
) -> None:
    outcome = kernel.run(cell)
    shown = outcome.error + outcome.stderr
    assert outcome.status == "error"
    assert ename in (outcome.ename or shown)
    for word in words:
        assert word.lower() in shown.lower()
    assert "Traceback" not in shown
    assert "site-packages" not in shown
    assert "flowlib_nb/" not in shown
    assert len(shown.strip().splitlines()) <= 8


def test_a_wrong_key_is_one_clear_message(
    shop: Vault, api: OrdersApi, monkeypatch: pytest.MonkeyPatch, kernel: Kernel
) -> None:
    kernel.run(f"%env FLOWLIB_ENCRYPTION_KEY={generate_key()}")
    outcome = kernel.run(
        f"%%flow\nnodes:\n  a: {{uses: http.request, credential: shop, with: {{url: '{api.url}/orders'}}}}"
    )
    assert outcome.ename == "WrongKeyError"
    assert "FLOWLIB_ENCRYPTION_KEY" in outcome.error
    assert "flowlib_nb/" not in outcome.error


def test_an_endless_template_ends_and_the_next_cell_works(kernel: Kernel) -> None:
    outcome = kernel.run("%%flow\nnodes: {a: {uses: js, with: {code: 'while (true) {} return 1'}}}")
    assert "timeout" in outcome.error
    assert kernel.run(HELLO).status == "ok"


def test_options_show_and_take_effect(kernel: Kernel) -> None:
    assert "preview_rows" in kernel.run("%config FlowMagics").stdout
    assert "time_limit" in kernel.run("%config Sandbox").stdout
    kernel.run("%config Sandbox.time_limit = 0.2")
    outcome = kernel.run("%%flow\nnodes: {a: {uses: js, with: {code: 'while (true) {} return 1'}}}")
    assert "0.2 s" in outcome.error
    kernel.run("%config FlowMagics.preview_rows = 1")
    assert "… 1 more rows" in kernel.run(HELLO).text


def test_the_vaults_path_is_an_option(
    key: str, kernel: Kernel, token: str, workspace: Path
) -> None:
    assert "Vault.path" in kernel.run("%config Vault").stdout
    kernel.run("%config Vault.path = 'elsewhere.json'")
    kernel.run("%flowlib_secret set c --type bearer --hosts a.b", (token,))
    assert (workspace / "elsewhere.json").exists()
    assert not (workspace / ".flowlib").exists()


def test_status_tells_a_wrong_key(shop: Vault, kernel: Kernel) -> None:
    assert "1 credential: shop" in kernel.run("%flowlib_secret").stdout
    kernel.run(f"%env FLOWLIB_ENCRYPTION_KEY={generate_key()}")
    status = kernel.run("%flowlib_secret").stdout
    assert "not the one" in status
    assert max(map(len, status.splitlines())) <= 120


def test_a_name_with_a_space_is_no_leak(key: str, kernel: Kernel) -> None:
    outcome = kernel.run("%flowlib_secret set 'my key' --type bearer")
    assert "cannot name a credential" in outcome.error
    assert "leaked" not in outcome.error


def test_an_interrupt_cancels_and_leaves_the_run(kernel: Kernel, workspace: Path) -> None:
    marker = workspace / "started"
    kernel.run(
        f"import time, pathlib\ndef slow():\n    pathlib.Path({str(marker)!r}).touch()\n    time.sleep(60)"
    )
    cell = kernel.start("%%flow -o run\nnodes: {a: {uses: python, with: {function: slow}}}")
    kernel.wait_until_busy(marker)
    kernel.interrupt()
    reply = kernel.reply_to(cell)
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    assert len(reply["content"]["traceback"]) == 1
    assert "the run was cancelled" in reply["content"]["traceback"][0]
    assert (
        kernel.run("run.status.value, run['a'].status.value").text == "('cancelled', 'cancelled')"
    )
    again = kernel.run(HELLO)
    assert again.status == "ok", again.error


def test_unloading_leaves_nothing_behind(kernel: Kernel) -> None:
    kernel.run(HELLO)
    assert kernel.run("%reload_ext flowlib_nb").status == "ok"
    assert kernel.run(HELLO).status == "ok"
    assert kernel.run("%unload_ext flowlib_nb").status == "ok"
    assert "not found" in kernel.run(HELLO).error + kernel.run(HELLO).stderr
    left = kernel.run(
        "import psutil\n"
        "ip = get_ipython()\n"
        "[c for c in psutil.Process().children() if 'flowlib' in ' '.join(c.cmdline())], "
        "[type(c).__name__ for c in ip.configurables if 'flowlib' in type(c).__module__], "
        "'store_inputs' in vars(ip.history_manager), "
        "[n for n in ip.magics_manager.lsmagic()['line'] if 'flow' in n]"
    ).text
    assert left == "([], [], False, [])"
    assert kernel.run("%load_ext flowlib_nb").status == "ok"
    assert kernel.run(HELLO).status == "ok"


def test_importing_is_light(kernel: Kernel) -> None:
    code = (
        "import subprocess, sys\n"
        "subprocess.run([sys.executable, '-c', 'import sys, flowlib_nb; print(sorted({m.split(\".\")[0] "
        'for m in sys.modules} & {"pandas", "ipywidgets", "authlib", "wasmtime", "quickjs_rs", '
        '"duckdb", "pydantic"}))\'], capture_output=True, text=True).stdout'
    )
    assert kernel.run(code).text == "'[]\\n'"


def test_loading_is_light(workspace: Path) -> None:
    """What takes long to import is imported when the first flow or credential needs it."""
    code = (
        "import sys\nfrom IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\nbefore = set(sys.modules)\n"
        "shell.run_line_magic('load_ext', 'flowlib_nb')\n"
        "heavy = {'pandas', 'pydantic', 'ruamel', 'cryptography', 'duckdb', 'pyarrow', 'wasmtime',"
        " 'quickjs', 'tree_sitter', 'httpx2', 'authlib', 'ipywidgets', 'keyring'}\n"
        "print(sorted(heavy & {name.split('.')[0] for name in set(sys.modules) - before}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_secrets_are_asked_for_and_used(
    key: str, api: OrdersApi, token: str, kernel: Kernel
) -> None:
    outcome = kernel.run("%flowlib_secret set shop --type bearer --hosts 127.0.0.1", (token,))
    assert outcome.status == "ok", outcome.error
    assert outcome.prompts == [("token of 'shop': ", True)]
    assert "shop" in kernel.run("%flowlib_secret list").stdout
    assert "••••" in kernel.run("%flowlib_secret show shop").stdout
    assert "1 credential" in kernel.run("%flowlib_secret").stdout
    outcome = kernel.run(
        f"%%flow -o run\nnodes:\n  a: {{uses: http.request, credential: shop, "
        f"with: {{url: '{api.url}/orders'}}}}"
    )
    assert outcome.status == "ok", outcome.error
    assert kernel.run("len(run.output['body']['orders'])").text == "100"
    assert "Renamed" in kernel.run("%flowlib_secret rename shop store").stdout
    assert "Removed" in kernel.run("%flowlib_secret rm store").stdout
    assert "no credentials" in kernel.run("%flowlib_secret list").stdout


def test_a_key_can_be_made(kernel: Kernel, token: str) -> None:
    assert "encryption key" in kernel.run("%flowlib_secret init").stdout
    assert "already" in kernel.run("%flowlib_secret init").error
    outcome = kernel.run("%flowlib_secret set c --type basic", ("user", token, "a.example.com"))
    assert outcome.status == "ok", outcome.error
    assert [password for _, password in outcome.prompts] == [False, True, False]
    assert "a.example.com" in outcome.stdout


def test_a_credential_is_tried_at_its_server(shop: Vault, api: OrdersApi, kernel: Kernel) -> None:
    assert (
        "nothing speaks against" in kernel.run(f"%flowlib_secret test shop {api.url}/orders").stdout
    )
    shop.set("wrong", {"type": "bearer", "token": "not-the-token"}, hosts=["127.0.0.1"])
    assert "does not take" in kernel.run(f"%flowlib_secret test wrong {api.url}/orders").stdout
    outcome = kernel.run("%flowlib_secret test shop https://other.example/")
    assert outcome.ename == "HostNotAllowedError"
    shop.set("nowhere", {"type": "bearer", "token": "t"})
    assert "no single host" in kernel.run("%flowlib_secret test nowhere").error
    shop.set("fields", {"type": "custom", "fields": {"x": "t"}}, hosts=["127.0.0.1"])
    assert "cannot be tried" in kernel.run(f"%flowlib_secret test fields {api.url}").error


def test_credentials_are_carried_over_and_rotated(
    kernel: Kernel, token: str, workspace: Path
) -> None:
    phrase = "correct horse battery"
    kernel.run("%flowlib_secret init")
    kernel.run("%flowlib_secret set c --type bearer --hosts a.b", (token,))
    assert "Made a new key" in kernel.run("%flowlib_secret rotate").stdout
    outcome = kernel.run("%flowlib_secret export out.json", (phrase, phrase))
    assert outcome.stdout == "Wrote out.json.\n", outcome.error
    assert all(password for _, password in outcome.prompts)
    assert "differ" in kernel.run("%flowlib_secret export b.json", (phrase, "other")).error
    assert not (workspace / "b.json").exists()
    kernel.run("%flowlib_secret rm c")
    outcome = kernel.run("%flowlib_secret import out.json", (phrase,))
    assert outcome.stdout == "Stored c.\n", outcome.error
    assert "'c' already" in kernel.run("%flowlib_secret import out.json", (phrase,)).error
    outcome = kernel.run("%flowlib_secret import out.json", stdin=False)
    assert "flowlib vault import" in outcome.error
    assert Vault.open().get("c").token.reveal() == token
    sent = repr(kernel.messages)
    assert token not in sent
    assert phrase not in sent


def test_without_a_way_to_ask_nothing_is_stored(key: str, kernel: Kernel) -> None:
    outcome = kernel.run("%flowlib_secret set c", stdin=False)
    assert outcome.ename == "InputError"
    assert "flowlib vault set c" in outcome.error
    assert "no credentials" in kernel.run("%flowlib_secret list").stdout


def test_a_secret_leaks_nowhere(
    key: str, api: OrdersApi, token: str, kernel: Kernel, workspace: Path
) -> None:
    """Everything that leaves the kernel, or that it leaves on disk, after a day's misuse."""
    typed_on_the_line = "typed-on-the-line-8c1d-SECRET"
    kernel.run("import logging\nlogging.basicConfig(level=logging.DEBUG)\n%xmode Verbose")
    kernel.run("%flowlib_secret set shop --type bearer --hosts 127.0.0.1", (token,))
    assert kernel.run(f"%flowlib_secret set shop {typed_on_the_line}").status == "error"
    assert (
        kernel.run(f"%flowlib_secret set shop --type bearer --token={typed_on_the_line}").status
        == "error"
    )
    flow = "%%flow -o run\nnodes:\n  a: {uses: http.request, credential: shop, with: {url: 'URL'}}"
    for url in (
        f"{api.url}/orders", f"{api.url}/nothing", f"{api.url}/redirect?to=http://localhost:1/",
        "http://127.0.0.1:9/", "http://example.com/",
    ):  # fmt: skip
        kernel.run(flow.replace("URL", url))
        kernel.run("run\nprint(run.trace.to_string(), vars(run), run['a'].error)")
    kernel.run(
        "import flowlib_nb as fl, pickle, json, copy\n"
        "c = fl.Vault.open().get('shop')\n"
        "print(c, c.token, f'{c.token}', vars(c), c.model_dump_json(), pickle.dumps(c))\n"
        "display(c, c.token)\nprint(dir(c.token), repr(copy.deepcopy(c)))"
    )
    kernel.run("c.token + 1")
    kernel.run("fl.Vault.open().set('x', {'type': 'bearer', 'tokn': c.token.reveal()})")
    kernel.run("%whos")
    kernel.client.inspect("c", reply=True, timeout=30)
    kernel.run("get_ipython().history_manager.writeout_cache()\nprint(In)")
    kernel.stop()
    sent = repr([m for m in kernel.messages if m["msg_type"] != "execute_input"])
    for secret in (token, key):
        assert secret not in sent
    assert typed_on_the_line not in sent
    for file in [*workspace.rglob("*"), *Path(os.environ["HOME"]).rglob("*")]:
        if file.is_file():
            content = file.read_bytes()
            for secret in (token, typed_on_the_line, key):
                assert secret.encode() not in content, file


def test_long_results_do_not_hold_up_the_kernel_for_their_display(kernel: Kernel) -> None:
    outcome = kernel.run(
        "%%flow\nnodes: {a: {uses: js, with: {code: 'Array.from({length: 5000}, (_, i) => ({i, s: `<b>${i}`}))'}}}"
    )
    assert "4,980 more rows" in outcome.text
    assert "<b>" not in outcome.html.replace("<br", "")
    assert len(outcome.html) < 20_000
