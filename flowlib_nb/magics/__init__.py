"""``%%flow`` and ``%flowlib_secret``: loading them into IPython, and taking them away again."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import SingletonConfigurable


def load(shell: InteractiveShell) -> None:
    """Register the magics and the sandbox's options, and start a sandbox worker.

    Parameters
    ----------
    shell : InteractiveShell
        Loading twice replaces what the first time brought.
    """
    from ..sandbox.pool import Sandbox
    from ..vault import Vault
    from .actions import ActionMagics
    from .flow import FlowMagics
    from .history import keep_values_out
    from .secret import SecretMagics

    unload(shell)
    for kind in (FlowMagics, ActionMagics, SecretMagics):
        shell.register_magics(kind(shell))
    sandbox = Sandbox.instance(parent=shell)
    # What is listed here shows in %config and can be set by it.
    configurables: list[Any] = shell.configurables
    options = [kind.instance(parent=shell) for kind in _option_classes()]
    configurables += [sandbox, Vault.configured_by(shell), *options]
    sandbox.prestart()
    keep_values_out(shell)


def unload(shell: InteractiveShell) -> None:
    """Take away all that :func:`load` brought; harmless when nothing was loaded."""
    from ..sandbox.pool import Sandbox
    from ..vault import Vault
    from .actions import ActionMagics
    from .flow import FlowMagics
    from .history import restore
    from .secret import SecretMagics

    options = _option_classes()
    ours: tuple[type, ...] = (FlowMagics, ActionMagics, SecretMagics, Sandbox, Vault, *options)
    names = {"cell": ("flow",), "line": ("flow", "flow_actions", "flow_cache", "flowlib_secret")}
    for place, magics in names.items():
        table = shell.magics_manager.magics[place]
        for name in magics:
            table.pop(name, None)
    for kind in (FlowMagics, ActionMagics, SecretMagics):
        shell.magics_manager.registry.pop(kind.__name__, None)
    shell.configurables[:] = [c for c in shell.configurables if not isinstance(c, ours)]
    if "flowlib_nb.engine.background" in sys.modules:
        _end_runs()
    for option in options:
        option.clear_instance()
    if Sandbox.initialized():
        Sandbox.instance().close()
        Sandbox.clear_instance()
    restore(shell)


def _option_classes() -> tuple[type[SingletonConfigurable], ...]:
    """What `%config` sets of the engine, which is not imported for it."""
    from ..engine.cache import OutputCache
    from ..engine.options.files import FileOptions
    from ..engine.options.http import HttpOptions
    from ..engine.options.records import RunRecords

    return (FileOptions, HttpOptions, OutputCache, RunRecords)


def _end_runs() -> None:
    """Cancel what still runs, and let go of threads, connections and what is remembered."""
    from ..engine.background import background
    from ..engine.records.writer import writer
    from ..engine.session import forget

    background().close()
    writer().close()
    forget()
