"""Names and types of credentials; apart from the models, so that listing needs no pydantic."""

from __future__ import annotations

import re

from ..errors import InputError

CREDENTIAL_TYPES = ("api_key", "bearer", "basic", "oauth2", "connection_string", "custom")
TYPES_HELP = f"{CREDENTIAL_TYPES[0]} (default), {', '.join(CREDENTIAL_TYPES[1:])}"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}", re.ASCII)


def is_name(name: object) -> bool:
    """Whether something can name a credential.

    Parameters
    ----------
    name : object
        The name.

    Returns
    -------
    bool
        It is a letter or underscore followed by up to 99 letters, digits, dots, dashes and
        underscores, all ASCII.
    """
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def check_name(name: str) -> None:
    """Refuse what cannot name a credential.

    Parameters
    ----------
    name : str
        The name.

    Raises
    ------
    InputError
        See :func:`is_name`.
    """
    if not is_name(name):
        # Something like NAME=VALUE is not repeated: the value may be the secret.
        is_harmless = isinstance(name, str) and re.fullmatch(r"[\w .-]{1,40}", name)
        shown = repr(name) if is_harmless else "That"
        raise InputError(
            f"{shown} cannot name a credential.",
            hint="Begin with a letter or underscore, then use letters, digits, dots, dashes and "
            "underscores, at most 100 in all.",
        )
