"""The kinds of credentials, and how each is put on a request."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
)

from ..errors import CredentialInvalidError, InputError, Problem
from .names import check_name
from .request import RequestParts, is_header_name
from .secret import Secret

__all__ = [
    "ApiKey",
    "Basic",
    "Bearer",
    "ConnectionString",
    "Credential",
    "Custom",
    "FieldInfo",
    "OAuth2",
    "check_name",
    "credential_types",
    "fields_of",
    "parse_credential",
    "to_plain",
]


def _unicode(text: str) -> str:
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("has half a surrogate pair")
    return text


Text = Annotated[str, AfterValidator(_unicode)]


class _Credential(BaseModel):
    """Base of all kinds."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    type: str

    def apply(self, parts: RequestParts) -> RequestParts:
        """Put the credential on a request.

        Parameters
        ----------
        parts : RequestParts
            The request without it.

        Returns
        -------
        RequestParts
            A new request; keep it only as long as it takes to send.

        Raises
        ------
        InputError
            This kind does not go on requests, or its value cannot stand where it belongs.
        """
        raise InputError(f"A credential of type {self.type!r} cannot be put on an HTTP request.")


class ApiKey(_Credential):
    """A key in a header or in the query.

    Parameters
    ----------
    key : Secret
        The key.
    name : str
        Of the header or query parameter.
    placement : str
        ``header`` or ``query``.
    """

    type: Literal["api_key"] = "api_key"
    key: Secret
    name: Text = "X-API-Key"
    placement: Literal["header", "query"] = "header"

    @field_validator("name")
    @classmethod
    def _usable(cls, name: str) -> str:
        if not is_header_name(name):
            raise ValueError("must be the name of a header or of a query parameter")
        return name

    def apply(self, parts: RequestParts) -> RequestParts:
        """Set the header or the query parameter."""
        if self.placement == "query":
            return parts.with_query(self.name, self.key.reveal())
        return parts.with_header(self.name, self.key.reveal(), field="key")


class Bearer(_Credential):
    """A bearer token (RFC 6750).

    Parameters
    ----------
    token : Secret
        Without the word Bearer.
    """

    type: Literal["bearer"] = "bearer"
    token: Secret

    def apply(self, parts: RequestParts) -> RequestParts:
        """Set ``Authorization: Bearer …``."""
        return parts.with_header("Authorization", f"Bearer {self.token.reveal()}", field="token")


class Basic(_Credential):
    """A user name and a password (RFC 7617).

    Parameters
    ----------
    username : str
        Without a colon.
    password : Secret
        The password.
    """

    type: Literal["basic"] = "basic"
    username: Text
    password: Secret

    @field_validator("username")
    @classmethod
    def _no_colon(cls, username: str) -> str:
        if ":" in username or any(char < " " or char == "\x7f" for char in username):
            raise ValueError("must not hold a colon or a control character")
        return username

    def apply(self, parts: RequestParts) -> RequestParts:
        """Set ``Authorization: Basic …``."""
        pair = f"{self.username}:{self.password.reveal()}".encode()
        value = f"Basic {base64.b64encode(pair).decode()}"
        return parts.with_header("Authorization", value, field="password")


class OAuth2(_Credential):
    """An OAuth 2.0 client and the tokens that it was given (RFC 6749).

    Parameters
    ----------
    provider : str
        In the registry of providers.
    client_id : str
        The client.
    client_secret, access_token, refresh_token : Secret, optional
        What there is.
    expires_at : datetime, optional
        When the access token expires; without an offset it is read as UTC.
    scopes : tuple of str
        Granted.
    """

    type: Literal["oauth2"] = "oauth2"
    provider: Text
    client_id: Text
    client_secret: Secret | None = None
    access_token: Secret | None = None
    refresh_token: Secret | None = None
    expires_at: datetime | None = None
    scopes: tuple[Text, ...] = ()

    @field_validator("expires_at")
    @classmethod
    def _aware(cls, moment: datetime | None) -> datetime | None:
        # A moment without an offset could not be compared with the present.
        return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment

    def apply(self, parts: RequestParts) -> RequestParts:
        """Set ``Authorization: Bearer …``."""
        if self.access_token is None:
            raise InputError("The credential has no access token yet; it must be connected first.")
        # Without a name: tracebacks may show locals.
        return parts.with_header(
            "Authorization", f"Bearer {self.access_token.reveal()}", field="access_token"
        )


class ConnectionString(_Credential):
    """How to reach a database, with its password.

    Parameters
    ----------
    url : Secret
        As SQLAlchemy writes it.
    """

    type: Literal["connection_string"] = "connection_string"
    url: Secret


class Custom(_Credential):
    """Any secrets that belong together, for actions that know what to do with them.

    Parameters
    ----------
    fields : dict of Secret
        By name.
    """

    type: Literal["custom"] = "custom"
    fields: dict[Text, Secret] = Field(min_length=1)


Credential = ApiKey | Bearer | Basic | OAuth2 | ConnectionString | Custom
_MODELS: dict[str, type[Credential]] = {
    model.model_fields["type"].default: model for model in get_args(Credential)
}
_ADAPTER: TypeAdapter[Credential] = TypeAdapter(Annotated[Credential, Field(discriminator="type")])


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """A field of a kind of credential, for whoever asks a person to fill it in.

    Parameters
    ----------
    name : str
        The field.
    is_secret : bool
        Whether it must not be shown while it is typed.
    is_required : bool
        Whether it has no default.
    default : object
        Otherwise.
    """

    name: str
    is_secret: bool
    is_required: bool
    default: Any = None


def credential_types() -> tuple[str, ...]:
    """The names of all kinds.

    Returns
    -------
    tuple of str
        What ``type`` can be.
    """
    return tuple(_MODELS)


def fields_of(kind: str) -> tuple[FieldInfo, ...]:
    """The fields of a kind, for whoever asks a person to fill them in.

    Parameters
    ----------
    kind : str
        One of :func:`credential_types`.

    Returns
    -------
    tuple of FieldInfo
        In the order in which to ask.

    Raises
    ------
    CredentialInvalidError
        There is no such kind.
    """
    return tuple(
        FieldInfo(
            name,
            Secret in (field.annotation, *get_args(field.annotation)),
            field.is_required(),
            None if field.is_required() else field.get_default(call_default_factory=True),
        )
        for name, field in _model(kind).model_fields.items()
        if name != "type"
    )


def parse_credential(data: Any) -> Credential:
    """Read a credential from plain data.

    Parameters
    ----------
    data : mapping or Credential
        ``type`` and the kind's fields.

    Returns
    -------
    Credential
        Frozen, with its secrets hidden.

    Raises
    ------
    CredentialInvalidError
        With all that is wrong, and none of the values.
    """
    if isinstance(data, _Credential):
        return data  # type: ignore[return-value]  # every subclass is a member of the union
    values = dict(data) if isinstance(data, Mapping) else None
    del data  # verbose tracebacks show the arguments of the frames they pass
    if values is None:
        raise CredentialInvalidError(
            [Problem("bad_value", "A credential is a mapping of its type and its fields.")]
        )
    problems: list[Problem] = []
    try:
        model = _model(values.get("type"))
        return _ADAPTER.validate_python(values)
    except ValidationError as error:
        for finding in error.errors(include_url=False, include_input=False, include_context=False):
            path = tuple(finding["loc"][1:])
            problems.append(_problem(finding["type"], finding["msg"], path, model))
            del finding, path  # where a field's name belongs may stand a pasted secret
    finally:
        values.clear()
    raise CredentialInvalidError(problems)


def to_plain(credential: Credential) -> dict[str, Any]:
    """All fields in plaintext. For encrypting only.

    Parameters
    ----------
    credential : Credential
        The credential.

    Returns
    -------
    dict
        JSON-ready, as :func:`parse_credential` reads it; fields without a value are left out.

    Raises
    ------
    InputError
        A secret came out of a pickle, which left its value behind.
    """
    try:
        return _plain(credential)
    except ValueError as error:
        reason = str(error)  # Opaque's own words
    raise InputError(f"The credential cannot be stored: {reason}.")


def _plain(credential: Credential) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, value in dict(credential).items():
        if value is None or value == ():
            continue
        if isinstance(value, Secret):
            plain[name] = value.reveal()
        elif isinstance(value, dict):
            plain[name] = {key: item.reveal() for key, item in value.items()}
        elif isinstance(value, datetime):
            plain[name] = value.isoformat()
        else:
            plain[name] = list(value) if isinstance(value, tuple) else value
    return plain


def _model(kind: Any) -> type[Credential]:
    if isinstance(kind, str) and kind in _MODELS:
        return _MODELS[kind]
    # The type is neither repeated nor kept: a secret may have been pasted into the wrong place.
    message = "The type is missing." if kind is None else "There is no such type of credential."
    hint = _suggestion(str(kind), _MODELS)
    del kind
    raise CredentialInvalidError([Problem("unknown_type", message, ("type",), None, hint)])


def _problem(
    kind: str, message: str, path: tuple[str | int, ...], model: type[_Credential]
) -> Problem:
    name = ".".join(str(step) for step in path) or "it"
    if kind == "missing":
        return Problem("missing", f"The field {name!r} is missing.", path)
    if kind == "extra_forbidden":
        hint = _suggestion(name, [field for field in model.model_fields if field != "type"])
        # What stands where a field's name belongs may be a pasted secret: name it only if short.
        if len(name) <= 20 and name.isidentifier():
            return Problem("unknown_field", f"There is no field {name!r}.", path, None, hint)
        return Problem("unknown_field", "There is no such field.", path[:-1], None, hint)
    if kind == "too_short":
        return Problem("bad_value", f"The field {name!r} is empty.", path)
    reason = message.removeprefix("Value error, ").removeprefix("Input ")
    return Problem("bad_value", f"The field {name!r} is not right: it {reason}.", path)


def _suggestion(word: str, known: Iterable[str]) -> str:
    known = list(known)
    close = get_close_matches(word, known, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(known)}."
