"""Where a credential may go: patterns of hosts, and the check of an address against them.

==========================  ====================================================================
``api.example.com``         that host, https, port 443
``api.example.com:8443``    that host, https, that port
``*.example.com``           every host below it at any depth, but not ``example.com`` itself
``[2001:db8::1]:8443``      an IPv6 address, in brackets, with or without a port
``127.0.0.1``, ``[::1]``,   the machine itself: https and http, and without a port in the pattern
``localhost``               every port, since local servers take whatever port is free
==========================  ====================================================================

Plain http is never allowed to another machine. Names are compared as they go over the wire: ASCII
(IDNA), lower case, without a trailing dot. A pattern is matched as text, never resolved, so
``localhost`` does not cover ``127.0.0.1``. Public suffixes are not known here: ``*.com`` is refused
for having one label, ``*.co.uk`` is not.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import HostNotAllowedError, InputError

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
# What some resolvers read as an IPv4 address (127.1, 0x7f.1, 2130706433) although it is not one.
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.ASCII)
_PORT = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)
_ADDRESS = re.compile(r"(https?)://([^/?#]*)(?:[/?#].*)?", re.ASCII | re.IGNORECASE | re.DOTALL)
_EXAMPLES = "Write it as api.example.com, *.example.com, api.example.com:8443 or [::1]."


class _InvalidHostError(ValueError):
    """Not a host; the text says why."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of an address, as they are compared.

    Parameters
    ----------
    scheme : str
        ``"http"`` or ``"https"``.
    host : str
        ASCII, lower case; an IPv6 address without brackets.
    port : int
        The scheme's default where the address names none.
    """

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        """Write it as an address without path; the default port is left out."""
        port = "" if self.port == _default_port(self.scheme) else f":{self.port}"
        return f"{self.scheme}://{_bracketed(self.host)}{port}"

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine, by its very name or address."""
        return is_loopback(self.host)

    @classmethod
    def of(cls, url: str) -> Origin:
        """Read the origin of an address.

        Only plain addresses are understood: what two URL parsers could read differently
        (backslashes, user names, percent signs or blanks in the host) is refused.

        Parameters
        ----------
        url : str
            Absolute, http or https.

        Returns
        -------
        Origin
            The origin.

        Raises
        ------
        InputError
            The address is not plain. The message does not repeat it, as it may hold secrets.
        """
        match = _ADDRESS.fullmatch(url)
        if match is None:
            raise InputError(
                "The address is not an absolute http or https URL.",
                hint="Write it with its scheme, as in https://api.example.com/orders.",
            )
        scheme = match[1].lower()
        try:
            host, port = _split(match[2])
            return cls(scheme, _canonical(host), port or _default_port(scheme))
        except _InvalidHostError as error:
            reason = str(error)
        raise InputError(f"The address's host {reason}.")


@dataclass(frozen=True, slots=True)
class HostPattern:
    """A host to which a credential may be sent.

    Parameters
    ----------
    host : str
        Canonical; for a wildcard, what follows ``*.``.
    port : int or None
        None for the scheme's default (on loopback, for any).
    wildcard : bool
        Whether it stands for every host below ``host``, instead of ``host``.
    """

    host: str
    port: int | None = None
    wildcard: bool = False

    def __str__(self) -> str:
        """Write the pattern in its canonical form, which :meth:`parse` reads."""
        port = "" if self.port is None else f":{self.port}"
        return f"{'*.' if self.wildcard else ''}{_bracketed(self.host)}{port}"

    @classmethod
    def parse(cls, text: str) -> HostPattern:
        """Read a pattern.

        Parameters
        ----------
        text : str
            See the table at the top of this module.

        Returns
        -------
        HostPattern
            The pattern.

        Raises
        ------
        InputError
            The text is not a pattern; the message says why.
        """
        if not isinstance(text, str):
            raise InputError("A host pattern is text.", hint=_EXAMPLES)
        try:
            return cls._parse(text.strip())
        except _InvalidHostError as error:
            reason = str(error)
        raise InputError(f"The host pattern {_shown(text)} {reason}.", hint=_EXAMPLES)

    @classmethod
    def _parse(cls, text: str) -> HostPattern:
        if "://" in text:
            raise _InvalidHostError("has a scheme; give only the host")
        if any(char in text for char in "/?#"):
            raise _InvalidHostError("has a path; give only the host")
        wildcard = text.startswith("*.")
        name, port = _split(text.removeprefix("*.") if wildcard else text)
        if "*" in name:
            raise _InvalidHostError("may have one * only, for everything below a name, as in *.a.b")
        host = _canonical(name)
        if wildcard and (_is_address(host) or "." not in host):
            raise _InvalidHostError("is too wide; name at least two labels after the *")
        return cls(host, port, wildcard)

    def allows(self, origin: Origin) -> bool:
        """Whether a credential may be sent to an origin.

        Parameters
        ----------
        origin : Origin
            From :meth:`Origin.of`.

        Returns
        -------
        bool
            Scheme, host and port are all covered.
        """
        if origin.scheme != "https" and not origin.is_loopback:
            return False
        return self._covers_host(origin.host) and self._covers_port(origin)

    def _covers_host(self, host: str) -> bool:
        return host.endswith(f".{self.host}") if self.wildcard else host == self.host

    def _covers_port(self, origin: Origin) -> bool:
        if self.port is not None:
            return origin.port == self.port
        return origin.is_loopback or origin.port == _default_port("https")


def parse_hosts(texts: Iterable[str | HostPattern]) -> tuple[HostPattern, ...]:
    """Read several patterns.

    Parameters
    ----------
    texts : iterable of str or HostPattern
        The patterns.

    Returns
    -------
    tuple of HostPattern
        In order, each once.

    Raises
    ------
    InputError
        One of them is not a pattern, or a single text was given where a list belongs.
    """
    if isinstance(texts, str):
        raise InputError("The hosts must be a list.", hint=f"For one host write [{_shown(texts)}].")
    if not isinstance(texts, Iterable):
        raise InputError("The hosts must be a list.", hint=_EXAMPLES)
    patterns = (t if isinstance(t, HostPattern) else HostPattern.parse(t) for t in texts)
    return tuple(dict.fromkeys(patterns))


def split_hosts(text: str) -> list[str]:
    """Read a list of hosts with commas between them.

    Parameters
    ----------
    text : str
        As it was typed; may be empty.

    Returns
    -------
    list of str
        The patterns, not looked at yet.
    """
    return [host.strip() for host in text.split(",") if host.strip()]


def explain(patterns: Iterable[str | HostPattern], url: str) -> str | None:
    """Say why a credential may not be sent to an address.

    Parameters
    ----------
    patterns : iterable of str or HostPattern
        The credential's hosts; none at all means nowhere.
    url : str
        The address. Only its scheme, host and port are ever repeated.

    Returns
    -------
    str or None
        The reason, as a sentence, or None where it is allowed.

    Raises
    ------
    InputError
        A pattern is not one.
    """
    known = parse_hosts(patterns)
    try:
        origin = Origin.of(url)
    except InputError as error:
        return error.message
    if any(pattern.allows(origin) for pattern in known):
        return None
    if not known:
        return f"The credential is bound to no host, so it cannot be sent to {origin}."
    if origin.scheme != "https" and not origin.is_loopback:
        return f"{origin} is not encrypted; a credential goes over plain http only to this machine."
    listed = ", ".join(map(str, known))
    return f"{origin} is not among the hosts of the credential ({listed})."


def allows(patterns: Iterable[str | HostPattern], url: str) -> bool:
    """Whether a credential may be sent to an address.

    Parameters
    ----------
    patterns : iterable of str or HostPattern
        The credential's hosts; none at all means nowhere.
    url : str
        The address.

    Returns
    -------
    bool
        Some pattern covers its scheme, host and port.
    """
    return explain(patterns, url) is None


def require_allowed(patterns: Iterable[str | HostPattern], url: str, *, credential: str) -> None:
    """Refuse an address to which a credential may not be sent.

    Parameters
    ----------
    patterns : iterable of str or HostPattern
        The credential's hosts.
    url : str
        The address.
    credential : str
        The credential's name, for the message.

    Raises
    ------
    HostNotAllowedError
        The message names the host, never path or query.
    """
    if reason := explain(patterns, url):
        raise HostNotAllowedError(
            f"The credential {credential!r} was not sent. {reason}",
            hint="If it belongs there, add the host to the credential's hosts.",
        )


def is_loopback(host: str) -> bool:
    """Whether a canonical host is this machine: ``localhost``, 127.0.0.0/8 or ::1.

    Parameters
    ----------
    host : str
        As in :class:`Origin`.

    Returns
    -------
    bool
        By name alone; nothing is resolved.
    """
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return address in ipaddress.IPv4Network("127.0.0.0/8")
    return address == ipaddress.IPv6Address("::1")


def _split(text: str) -> tuple[str, int | None]:
    if not text:
        raise _InvalidHostError("is empty")
    if "@" in text:
        raise _InvalidHostError("has a user name")
    if any(char in "\\%" or char.isspace() or not char.isprintable() for char in text):
        raise _InvalidHostError("holds a character that no host has")
    if text.startswith("["):
        host, bracket, rest = text.partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise _InvalidHostError("has brackets that do not match")
        return f"{host}]", _port(rest[1:]) if rest else None
    if text.count(":") > 1:
        raise _InvalidHostError("looks like an IPv6 address without its brackets")
    host, colon, port = text.partition(":")
    return host, _port(port) if colon else None


def _port(text: str) -> int:
    if not _PORT.fullmatch(text) or int(text) > 65535:
        raise _InvalidHostError("has a port that is not a number from 1 to 65535")
    return int(text)


def _canonical(host: str) -> str:
    if host.startswith("["):
        try:
            return str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            raise _InvalidHostError("is not an IPv6 address") from None
    name = _to_ascii(host.lower().removesuffix("."))
    if _NUMERIC.fullmatch(name):
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError:
            raise _InvalidHostError("is not an IPv4 address of four decimal numbers") from None
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise _InvalidHostError("is not a host name")
    return name


def _to_ascii(name: str) -> str:
    if name.isascii():
        return name
    import idna

    try:
        return idna.encode(name).decode("ascii").lower()
    except idna.IDNAError:
        raise _InvalidHostError("is not an international host name") from None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _shown(text: str) -> str:
    # A pattern is no secret, unless an address was pasted that holds one: as user name and
    # password, in the path (webhooks), in the query or in the fragment.
    scheme, separator, rest = text.rpartition("://")
    host = re.split("[/?#]", rest.rpartition("@")[2], maxsplit=1)[0]
    shown = f"{scheme}{separator}{host}{'…' if not rest.endswith(host) else ''}"
    return repr(shown if len(shown) <= 80 else f"{shown[:77]}…")
