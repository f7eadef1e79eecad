"""What the demo needs around its flow: the API, and a throwaway key and vault."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ..config import WORKSPACE_VARIABLE, Workspace
from ..vault import Vault, generate_key, key_state
from ..vault.keys import KEY_VARIABLE
from .orders_api import OrdersApi

if TYPE_CHECKING:
    from ..engine import Flow

CREDENTIAL = "shop"
_FLUSH_SECONDS = 5.0


def flow_text() -> str:
    """The demo's flow."""
    return files(__package__).joinpath("flow.yaml").read_text(encoding="utf-8")


class DemoSession:
    """An orders API, and a vault in a temporary folder that holds its token under ``shop``.

    Parameters
    ----------
    latency : float, optional
        Seconds by which the API's answers are late.
    """

    def __init__(self, *, latency: float = 0.0) -> None:
        self._cleanup = ExitStack()
        folder = tempfile.TemporaryDirectory(prefix="flowlib-demo-")
        self._workspace = Workspace(Path(self._cleanup.enter_context(folder)))
        token = secrets.token_urlsafe(32)
        self.api = self._cleanup.enter_context(OrdersApi(token, latency=latency))
        self.vault = Vault.open(self._workspace.vault_path, self._key())
        self.vault.set(CREDENTIAL, {"type": "bearer", "token": token}, hosts=["127.0.0.1"])

    @property
    def url(self) -> str:
        """Where the API is."""
        return self.api.url

    def flow(self) -> Flow:
        """The demo's flow, with the demo's vault."""
        from ..engine import Flow

        return Flow(flow_text(), vault=self.vault)

    def stop(self) -> None:
        """End the API and remove the folder."""
        if "flowlib_nb.engine.records.writer" in sys.modules:
            from ..engine.records.writer import writer

            # What is still to be written would make the folder anew.
            writer().flush(_FLUSH_SECONDS)
        self._cleanup.close()

    def _key(self) -> str | None:
        """A throwaway key that nothing but this session's vault knows."""
        return generate_key()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url}>"


class NotebookSession(DemoSession):
    """The same for a notebook: the kernel's workspace moves into the temporary folder.

    The kernel's own encryption key is used; where it has none it gets a throwaway one, in its
    environment only. :meth:`stop` puts the environment back.
    """

    def __init__(self, *, latency: float = 0.0) -> None:
        super().__init__(latency=latency)
        self._setenv(WORKSPACE_VARIABLE, str(self._workspace.root))

    def _key(self) -> str | None:
        if key_state() == "missing":
            self._setenv(KEY_VARIABLE, generate_key())
        return None

    def _setenv(self, name: str, value: str) -> None:
        before = os.environ.get(name)

        def put_back() -> None:
            if before is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = before

        self._cleanup.callback(put_back)
        os.environ[name] = value
