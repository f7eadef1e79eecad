"""Credentials, encrypted in the workspace's file."""

from .keys import KeyState, find_key, generate_key, init_key, key_state
from .vault import CredentialInfo, Vault

__all__ = [
    "CredentialInfo",
    "KeyState",
    "Vault",
    "find_key",
    "generate_key",
    "init_key",
    "key_state",
]
