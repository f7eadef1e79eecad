"""One family of errors: each has a stable code, a message, a hint and, where known, a position.

FlowlibError
├── ConfigError            a setting, environment variable or option is wrong
│   └── KeyInvalidError        an encryption key is malformed, or lies where others can read it
├── InputError             the caller's input is wrong (arguments, files, values)
│   ├── FlowValidationError    a flow definition has problems; carries all of them
│   └── CredentialInvalidError a credential's fields are wrong; carries all of them, no values
├── KeyMissingError        no encryption key is available
├── VaultError             the vault file cannot be read or written
│   ├── WrongKeyError          the key is not the one the vault was written with
│   ├── VaultTamperedError     the file was changed by something other than the vault
│   ├── VaultConflictError     the file holds the conflict markers of an unfinished git merge
│   ├── VaultLockedError       another process holds the lock for too long
│   └── BundleError            a bundle of credentials cannot be opened
├── CredentialNotFoundError
├── HostNotAllowedError    a credential would have gone to a host it is not bound to
├── TemplateError          a template failed (syntax, runtime, timeout, memory, …)
├── SandboxError           the sandbox itself cannot work (engine missing, no worker)
├── NodeError              a node of a running flow failed
└── FlowFailedError        a flow ran and ended without success
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a cell or file.

    Parameters
    ----------
    line, column : int
        Both count from 1, as editors do.
    """

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a flow definition.

    Parameters
    ----------
    code : str
        Stable identifier such as ``"unknown_action"``.
    message : str
        What is wrong, in one sentence.
    path : tuple of str or int
        Where in the definition, e.g. ``("nodes", "fetch", "with", "url")``.
    position : Position, optional
        Where in the text.
    hint : str, optional
        What to do about it.
    """

    code: str
    message: str
    path: tuple[str | int, ...] = ()
    position: Position | None = None
    hint: str | None = None

    @property
    def line(self) -> int | None:
        """Line in the cell or file, from 1."""
        return self.position.line if self.position else None

    @property
    def column(self) -> int | None:
        """Column in the line, from 1."""
        return self.position.column if self.position else None

    def __str__(self) -> str:
        where = f"{self.position}: " if self.position else ""
        hint = f" {self.hint}" if self.hint else ""
        return f"{where}{self.message}{hint}"

    def as_dict(self) -> dict[str, Any]:
        """The problem as JSON-ready data."""
        return {
            "code": self.code,
            "message": self.message,
            "path": list(self.path),
            "line": self.line,
            "column": self.column,
            "hint": self.hint,
        }


class FlowlibError(Exception):
    """Base of every error that a user can cause or meet.

    Parameters
    ----------
    message : str
        What happened, and where.
    hint : str, optional
        What to do about it.
    position : Position, optional
        Line and column in the cell or file.

    Notes
    -----
    IPython shows these without a traceback: the frames would be ours, not the user's.
    """

    code: ClassVar[str] = "FLOWLIB_ERROR"

    def __init__(
        self, message: str, *, hint: str | None = None, position: Position | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.position = position

    def __str__(self) -> str:
        where = f"{self.position}: " if self.position else ""
        hint = f"\n{self.hint}" if self.hint else ""
        return f"{where}{self.message}{hint}"

    def _render_traceback_(self) -> list[str]:
        # IPython's protocol for exceptions that bring their own, short form.
        return f"{type(self).__name__}: {self}".splitlines()


class ConfigError(FlowlibError):
    """A setting, an environment variable or an option is wrong."""

    code = "CONFIG_ERROR"


class KeyInvalidError(ConfigError):
    """An encryption key is malformed, or lies where others can read it."""

    code = "ENCRYPTION_KEY_INVALID"


class InputError(FlowlibError):
    """What the caller gave (an argument, a file, a value) is wrong."""

    code = "INPUT_ERROR"


class FlowValidationError(InputError):
    """A flow definition has problems; all of them, found before anything ran.

    Parameters
    ----------
    problems : sequence of Problem
        At least one.
    """

    code = "FLOW_INVALID"

    def __init__(self, problems: Sequence[Problem]) -> None:
        count = len(problems)
        head = "The flow has a problem" if count == 1 else f"The flow has {count} problems"
        super().__init__(f"{head}; nothing was run.\n" + "\n".join(f"  {p}" for p in problems))
        self.problems = tuple(problems)


class CredentialInvalidError(InputError):
    """A credential's fields are wrong; all of them, and never what they held.

    Parameters
    ----------
    problems : sequence of Problem
        At least one; each ``path`` leads to a field.
    """

    code = "CREDENTIAL_INVALID"

    def __init__(self, problems: Sequence[Problem]) -> None:
        listed = "\n".join(f"  {p}" for p in problems)
        super().__init__(f"The credential is not valid; nothing was stored.\n{listed}")
        self.problems = tuple(problems)


class KeyMissingError(FlowlibError):
    """No encryption key is available, so credentials can be neither stored nor read."""

    code = "ENCRYPTION_KEY_MISSING"


class VaultError(FlowlibError):
    """The vault file cannot be read or written."""

    code = "VAULT_ERROR"


class WrongKeyError(VaultError):
    """The key at hand is not the one that the vault was written with."""

    code = "WRONG_KEY"


class VaultTamperedError(VaultError):
    """The vault file was changed by something other than the vault."""

    code = "VAULT_TAMPERED"


class VaultConflictError(VaultError):
    """The vault file holds the conflict markers of an unfinished git merge."""

    code = "VAULT_CONFLICT"


class VaultLockedError(VaultError):
    """Another process kept the vault's lock for too long."""

    code = "VAULT_LOCKED"


class BundleError(VaultError):
    """A bundle of credentials cannot be opened."""

    code = "BUNDLE_INVALID"


class CredentialNotFoundError(FlowlibError):
    """The vault holds no credential of that name."""

    code = "CREDENTIAL_NOT_FOUND"


class HostNotAllowedError(FlowlibError):
    """A credential would have been sent to a host that it is not bound to."""

    code = "HOST_NOT_ALLOWED"


class TemplateError(FlowlibError):
    """A template failed.

    Parameters
    ----------
    code : str
        One of ``syntax``, ``runtime``, ``timeout``, ``memory``, ``output_size``, ``crashed``.
    message : str
        The reason, as the JavaScript engine or the limit gives it.
    expression : str
        The JavaScript source that failed.
    position : Position, optional
        Line and column in the cell or file, where the template came from one.
    """

    code = "TEMPLATE_ERROR"

    def __init__(
        self,
        code: str,
        message: str,
        *,
        expression: str = "",
        position: Position | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, position=position)
        self.code = code  # type: ignore[misc]  # narrows the family's code to the template's kind
        self.expression = expression

    def __str__(self) -> str:
        shown = " ".join(self.expression.split())
        if len(shown) > 120:
            shown = shown[:117] + "..."
        inside = f" in {{{{ {shown} }}}}" if shown else ""
        where = f"{self.position}: " if self.position else ""
        hint = f"\n{self.hint}" if self.hint else ""
        return f"{where}template {self.code} error{inside}: {self.message}{hint}"

    def at(self, position: Position | None) -> TemplateError:
        """The same error with a position in the cell."""
        return TemplateError(
            self.code, self.message, expression=self.expression, position=position, hint=self.hint
        )


class SandboxError(FlowlibError):
    """The sandbox itself cannot work: its engine is missing or no worker starts."""

    code = "SANDBOX_ERROR"


class NodeError(FlowlibError):
    """A node of a running flow failed for a reason that the flow's author can act on."""

    code = "NODE_FAILED"


class FlowFailedError(FlowlibError):
    """A flow ran and ended without success; the run object says where."""

    code = "FLOW_FAILED"
