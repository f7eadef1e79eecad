"""A value that hides itself wherever Python would show it."""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

MASK = "••••"


class Opaque:
    """Bytes that no display, serialiser or variable view shows.

    The bytes are kept XORed with a random pad of the same length, in slots. A closure would look
    tidier, but a debugger can expand ``__closure__`` down to the text; a table on the side would
    show every secret at once to whoever expands it. Here whatever walks attributes, slots or
    ``__getstate__`` finds noise, and ``dir()`` does not even list that. This is protection from
    being *shown*, not from code in the same process, which can always call :meth:`_open`.

    Parameters
    ----------
    value : bytes
        What to hide.
    """

    __slots__ = ("__weakref__", "_masked", "_pad")

    _masked: bytes
    _pad: bytes | None  # None: a copy that left its process, whose plaintext stayed behind

    def __init__(self, value: bytes) -> None:
        pad = secrets.token_bytes(len(value))
        object.__setattr__(self, "_pad", pad)
        object.__setattr__(self, "_masked", _xor(value, pad))

    def _open(self) -> bytes:
        if self._pad is None:
            raise ValueError(
                f"this {type(self).__name__} was pickled, which leaves its value behind; "
                "read it again where it is needed"
            )
        return _xor(self._masked, self._pad)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        """Refuse: a hidden value cannot be changed."""
        raise AttributeError(f"a {type(self).__name__} cannot be changed")

    def __delattr__(self, name: str) -> NoReturn:
        """Refuse: a hidden value cannot be changed."""
        raise AttributeError(f"a {type(self).__name__} cannot be changed")

    def __dir__(self) -> list[str]:
        """Only what is meant to be used; variable views walk ``dir()``."""
        return [name for name in vars(type(self)) if not name.startswith("_")]

    def __repr__(self) -> str:
        """Return the mask."""
        return MASK

    def __str__(self) -> str:
        """Return the mask."""
        return MASK

    def __format__(self, spec: str) -> str:
        """Return the mask, whatever the format asks for."""
        return MASK

    def _repr_html_(self) -> str:
        return MASK

    def __bool__(self) -> bool:
        """Whether there is anything hidden here."""
        return bool(self._masked)

    def __eq__(self, other: object) -> bool:
        """Compare in constant time, so that the time taken tells nothing about the value."""
        if not isinstance(other, type(self)):
            return NotImplemented
        if self._pad is None or other._pad is None:
            return self is other  # what came out of a pickle has no value to compare
        return hmac.compare_digest(self._open(), other._open())

    # A hash of a secret would be an oracle for it.
    __hash__ = None  # type: ignore[assignment]

    def __getstate__(self) -> None:
        """Nothing: serialisers that ask for the state get none."""
        return

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as a value that still shows the mask and has nothing to reveal.

        Refusing instead would make every pickle fail that merely passes near a secret
        (``%store``, caches, worker processes).
        """
        return _left_behind, (type(self),)

    def __copy__(self) -> Opaque:
        """Return the same object: it cannot change."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Opaque:
        """Return the same object: it cannot change."""
        return self


class Secret(Opaque):
    """A plaintext that only :meth:`reveal` gives.

    ``repr``, ``str``, ``format``, HTML, pydantic's JSON and pickles show or hold ``••••``.

    Parameters
    ----------
    value : str
        The plaintext.

    Raises
    ------
    TypeError
        ``value`` is not text.
    ValueError
        ``value`` holds half a surrogate pair, so that it could be neither stored nor sent.
    """

    __slots__ = ()

    def __init__(self, value: str) -> None:
        if not isinstance(value, str):
            del value
            raise TypeError("a Secret holds text")
        encoded = _encode(value)
        del value  # verbose tracebacks show the arguments of the frames they pass
        if encoded is None:
            raise ValueError("a Secret holds Unicode text; this one has half a surrogate pair")
        super().__init__(encoded)

    def reveal(self) -> str:
        """Return the plaintext. Keep it no longer than needed.

        Returns
        -------
        str
            The plaintext.

        Raises
        ------
        ValueError
            This object came out of a pickle, which never holds the plaintext.
        """
        return self._open().decode("utf-8")

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Accept text or a Secret, and write ``••••`` into JSON."""
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            cls._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda _: MASK, return_schema=core_schema.str_schema(), when_used="json"
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe the field as a password, which is only ever written."""
        return {"type": "string", "format": "password", "writeOnly": True}

    @classmethod
    def _validate(cls, value: object) -> Secret:
        from pydantic_core import PydanticCustomError

        if isinstance(value, Secret):
            return value
        if not isinstance(value, str):
            raise PydanticCustomError("secret_type", "must be text")
        if value == MASK:
            # What was read from a display or from JSON would silently replace the real secret.
            raise PydanticCustomError(
                "secret_masked", "is the mask that is shown in place of the secret"
            )
        if _encode(value) is None:
            raise PydanticCustomError("secret_unicode", "has half a surrogate pair")
        return cls(value)


def _encode(value: str) -> bytes | None:
    # UnicodeEncodeError carries the whole text, so it ends here.
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:
        return None


def _xor(left: bytes, right: bytes) -> bytes:
    number = int.from_bytes(left, "big") ^ int.from_bytes(right, "big")
    return number.to_bytes(len(left), "big")


def _left_behind(kind: type[Opaque]) -> Opaque:
    shell = kind.__new__(kind)
    object.__setattr__(shell, "_masked", b"")
    object.__setattr__(shell, "_pad", None)
    return shell
