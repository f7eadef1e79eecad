"""The extension as Jupyter Server loads it."""

from __future__ import annotations

import os
from pathlib import Path

from jupyter_server.extension.application import ExtensionApp

from ..config import SERVER_ROOT_VARIABLE
from .handlers import HealthHandler, NotFoundHandler


class FlowlibServerApp(ExtensionApp):
    """Serves Flowlib's REST API."""

    name = "flowlib_nb"
    extension_url = "/lab"
    load_other_extensions = True

    def initialize_settings(self) -> None:
        """Tell the kernels, which inherit this environment, where the server's root is."""
        if root := self.settings.get("server_root_dir"):
            os.environ[SERVER_ROOT_VARIABLE] = str(Path(root).expanduser().resolve())

    def initialize_handlers(self) -> None:
        """Add the routes; the server puts its base URL before them."""
        self.handlers.extend(
            [
                (r"/flowlib/api/health", HealthHandler),
                (r"/flowlib/api(?:/.*)?", NotFoundHandler),
            ]
        )
