"""The extension as Jupyter Server loads it."""

from __future__ import annotations

from jupyter_server.extension.application import ExtensionApp

from .handlers import HealthHandler, NotFoundHandler


class FlowlibServerApp(ExtensionApp):
    """Serves Flowlib's REST API."""

    name = "flowlib_nb"
    extension_url = "/lab"
    load_other_extensions = True

    def initialize_handlers(self) -> None:
        """Add the routes; the server puts its base URL before them."""
        self.handlers.extend(
            [
                (r"/flowlib/api/health", HealthHandler),
                (r"/flowlib/api(?:/.*)?", NotFoundHandler),
            ]
        )
