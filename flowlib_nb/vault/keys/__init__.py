"""Master keys: their form, the places where they are looked for, and how they are made."""

from .form import PREFIX, FoundKey, MasterKey, generate_key, parse_key, parse_keys
from .making import forget_keys_before, init_key, renew_key
from .sources import (
    FILE_VARIABLE,
    KEY_VARIABLE,
    PREVIOUS_VARIABLE,
    KeyState,
    find_key,
    key_file_path,
    key_state,
    previous_keys,
)

__all__ = [
    "FILE_VARIABLE",
    "KEY_VARIABLE",
    "PREFIX",
    "PREVIOUS_VARIABLE",
    "FoundKey",
    "KeyState",
    "MasterKey",
    "find_key",
    "forget_keys_before",
    "generate_key",
    "init_key",
    "key_file_path",
    "key_state",
    "parse_key",
    "parse_keys",
    "previous_keys",
    "renew_key",
]
