"""Flowlib in notebooks: workflows in cells, encrypted credentials, results as DataFrames.

``%load_ext flowlib_nb`` brings ``%%flow`` and ``%flowlib_secret``. The names below are the Python
API; each is imported when it is first used, so that ``import flowlib_nb`` stays quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import pandas_hook

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from .engine import Flow, Run
    from .engine.actions import action
    from .engine.records import RunRecords, runs
    from .errors import (
        CredentialNotFoundError,
        FlowFailedError,
        FlowlibError,
        FlowValidationError,
        HostNotAllowedError,
        InputError,
        KeyMissingError,
        NodeError,
        Problem,
        TemplateError,
        VaultError,
        WrongKeyError,
    )
    from .models.secret import Secret
    from .templates.render import render
    from .templates.template import Template, compile_template
    from .vault import Vault

_HOMES = {
    "Flow": "engine",
    "Run": "engine",
    "RunRecords": "engine.records",
    "Secret": "models.secret",
    "Template": "templates.template",
    "Vault": "vault",
    "action": "engine.actions",
    "compile_template": "templates.template",
    "render": "templates.render",
    "runs": "engine.records",
    "CredentialNotFoundError": "errors",
    "FlowFailedError": "errors",
    "FlowValidationError": "errors",
    "FlowlibError": "errors",
    "HostNotAllowedError": "errors",
    "InputError": "errors",
    "KeyMissingError": "errors",
    "NodeError": "errors",
    "Problem": "errors",
    "TemplateError": "errors",
    "VaultError": "errors",
    "WrongKeyError": "errors",
}

__all__ = [
    "CredentialNotFoundError",
    "Flow",
    "FlowFailedError",
    "FlowValidationError",
    "FlowlibError",
    "HostNotAllowedError",
    "InputError",
    "KeyMissingError",
    "NodeError",
    "Problem",
    "Run",
    "RunRecords",
    "Secret",
    "Template",
    "TemplateError",
    "Vault",
    "VaultError",
    "WrongKeyError",
    "action",
    "compile_template",
    "render",
    "runs",
]

# Frames get `flow` without pandas being imported here.
pandas_hook.install()


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("flowlib-nb")
    if name in _HOMES:
        value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Bring the magics (``%load_ext flowlib_nb``)."""
    from .magics import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take the magics away (``%unload_ext flowlib_nb``)."""
    from .magics import unload

    unload(shell)


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from .server.app import FlowlibServerApp

    return [{"module": "flowlib_nb.server.app", "app": FlowlibServerApp}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "flowlib-nb"}]
