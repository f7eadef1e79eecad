"""The REST handlers under ``{base_url}flowlib/api/``."""

from __future__ import annotations

import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web

from ..config import Workspace, is_production
from ..errors import FlowlibError
from .errors import ErrorBody


class FlowlibHandler(APIHandler):
    """Base of all handlers: nothing is cached, and every error has the same shape."""

    auth_resource = "flowlib"

    @cached_property
    def request_id(self) -> str:
        """What the answer and the log call this request."""
        return uuid4().hex

    def set_default_headers(self) -> None:
        """Forbid caches to keep what is answered here."""
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")

    def get_login_url(self) -> str:
        """Refuse instead of sending a program to the login page."""
        raise web.HTTPError(401)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer an error."""
        message = ""
        if "exc_info" in kwargs:
            error = kwargs["exc_info"][1]
            if status_code >= 500:
                # The text of an exception may hold anything; the type and the place do not.
                self.log.error(
                    "flowlib: request %s failed: %s", self.request_id, type(error).__name__
                )
                message = "" if is_production() else f"{type(error).__name__} in the server."
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(ErrorBody(status_code, self.request_id, message).as_dict()))


class HealthHandler(FlowlibHandler):
    """Whether the extension works, and what it works with."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer version, workspace and the state of the encryption key; never the key."""
        from .. import __version__
        from ..vault.keys import key_state

        body = {
            "status": "ok",
            "name": "flowlib-nb",
            "version": __version__,
            "workspace": self._workspace(),
            "encryption_key": key_state(),
        }
        self.finish(json.dumps(body))

    def _workspace(self) -> str:
        root = Path(self.settings.get("server_root_dir") or ".").expanduser().resolve()
        try:
            found = Workspace.find(root).root
        except FlowlibError:
            return "not found"
        # Where the server lies on its machine is nobody's business in the browser.
        return Path(os.path.relpath(found, root)).as_posix()


class NotFoundHandler(FlowlibHandler):
    """Every address under the API that is not one."""

    @web.authenticated
    @authorized
    async def get(self, *args: str) -> None:
        """Answer 404."""
        raise web.HTTPError(404)

    @web.authenticated
    @authorized
    async def post(self, *args: str) -> None:
        """Answer 404."""
        raise web.HTTPError(404)

    @web.authenticated
    @authorized
    async def put(self, *args: str) -> None:
        """Answer 404."""
        raise web.HTTPError(404)

    @web.authenticated
    @authorized
    async def delete(self, *args: str) -> None:
        """Answer 404."""
        raise web.HTTPError(404)
