"""Which addresses requests may go to. Nothing is resolved here."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from ....errors import NodeError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_V4 = ipaddress.IPv4Network
_V6 = ipaddress.IPv6Network
# Linux takes 0.0.0.0 for this machine.
_THIS_NETWORK = _V4("0.0.0.0/8")
_BROADCAST = ipaddress.IPv4Address("255.255.255.255")
# Private once (RFC 3879), and not listed as such any more.
_SITE_LOCAL = _V6("fec0::/10")
# Those of Alibaba, Oracle, Azure, Amazon and Google that are not link-local.
_METADATA = (
    _V4("100.100.100.200/32"),
    _V4("192.0.0.192/32"),
    _V4("168.63.129.16/32"),
    _V6("fd00:ec2::/32"),
    _V6("fd20:ce::254/128"),
)
_METADATA_NAMES = frozenset(
    {
        "metadata.google.internal",
        "metadata.goog",
        "instance-data.ec2.internal",
        "metadata.tencentyun.com",
    }
)
# Prefixes whose last 32 bits are an IPv4 address: IPv4-compatible and NAT64 (RFC 6052, 8215).
_LAST_32_BITS = (_V6("::/96"), _V6("64:ff9b::/96"), _V6("64:ff9b:1::/48"))


@dataclass(frozen=True, slots=True)
class Egress:
    """Where requests may go.

    Parameters
    ----------
    allow_link_local : bool
        Link-local addresses and the metadata services of clouds.
    allow_private : bool
        This machine and private networks.
    """

    allow_link_local: bool = False
    allow_private: bool = True

    def require_name(self, host: str) -> None:
        """Refuse a host that is refused whatever it resolves to.

        Parameters
        ----------
        host : str
            Lower case, without brackets.

        Raises
        ------
        NodeError
            It is the name of a metadata service, or an address that is refused.
        """
        host = host.removesuffix(".")
        address = parse_address(host)
        if address is not None:
            self.require_address(host, address)
        elif host in _METADATA_NAMES and not self.allow_link_local:
            raise _refused(f"{host} is a cloud's metadata service", "allow_link_local")

    def require_address(self, host: str, address: Address) -> None:
        """Refuse an address.

        Parameters
        ----------
        host : str
            What resolved to it, for the message.
        address : IPv4Address or IPv6Address
            One of those that the host resolves to.

        Raises
        ------
        NodeError
            No request may go there.
        """
        shown = str(address)
        subject = shown if parse_address(host) else f"{host} is {shown}, which"
        for one in _meant(address):
            if one in _THIS_NETWORK or one.is_unspecified or one.is_multicast or one == _BROADCAST:
                raise _refused(f"{subject} is not the address of one server", None)
            if not self.allow_link_local and any(one in network for network in _METADATA):
                raise _refused(f"{subject} is a cloud's metadata service", "allow_link_local")
            if not self.allow_link_local and one.is_link_local:
                raise _refused(f"{subject} is a link-local address", "allow_link_local")
            if not self.allow_private and (not one.is_global or one in _SITE_LOCAL):
                raise _refused(f"{subject} is an address of a private network", "allow_private")


def parse_address(text: str) -> Address | None:
    """An address written as such; None for a name.

    Parameters
    ----------
    text : str
        Without brackets.
    """
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _meant(address: Address) -> Iterator[Address]:
    """The address and those inside it: a gateway may take a packet on to any of them."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped  # which is where the connection goes
        return
    yield address
    if address.sixtofour is not None:
        yield address.sixtofour
    yield from address.teredo or ()
    low = int(address) & 0xFFFFFFFF
    is_isatap = (int(address) >> 32) & 0xFDFFFFFF == 0x5EFE
    if low > 1 and (is_isatap or any(address in network for network in _LAST_32_BITS)):
        yield ipaddress.IPv4Address(low)


def _refused(reason: str, option: str | None) -> NodeError:
    hint = f"To allow it: %config HttpOptions.{option} = True" if option else None
    return NodeError(f"The request was refused: {reason}.", hint=hint)
