"""Addresses that somebody else wrote: which may be asked, and how they are printed.

An address that a user gives may lead anywhere. One that a server gives, as a link or a redirect, must not make this
machine ask hosts that only it can reach: itself, its network, the metadata service of a cloud. A server that lies there
itself may name others there.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import urllib.parse
from dataclasses import dataclass

_LONGEST = 300


def public(url: str) -> str:
    """An address for messages and files: without user, password, query and fragment, which may hold secrets."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:  # brackets that are no IPv6 address
        return "an address that cannot be read"
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def plain(text: object) -> str:
    """What somebody else wrote, for a message: on one line, without secrets of addresses, not longer than a paragraph.

    Args:
        text: an error, or the words of a server.
    """
    text = re.sub(r"[a-z][a-z0-9+.-]*://[^\s'\"<>]+", lambda found: public(found[0]), str(text)[:10_000], flags=re.I)
    text = re.sub(r"\?[^\s'\"<>)]+", "", text)  # the query of an address without its host
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def check_address(url: str) -> None:
    """Raises a ValueError unless an address is one of http or https, without a user name or a password."""
    host_of(url)
    if "@" in urllib.parse.urlsplit(url).netloc:
        raise ValueError(f"the address {public(url)} holds a user name or a password; give it without")


def host_of(url: str) -> str:
    """The host of an address of http or https.

    Raises:
        ValueError: if it is another address, or has none.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise ValueError(f"an address begins with http:// or https://, got {plain(public(url))!r}")
    if not url.isprintable() or " " in url:
        raise ValueError(f"an address holds no spaces and no signs that do not print, got {plain(public(url))!r}")
    try:
        host = urllib.parse.urlsplit(url).hostname
    except ValueError as error:
        raise ValueError(f"an address of http or https names a host ({error})") from error
    if not host:
        raise ValueError(f"an address of http or https names a host, got {public(url)!r}")
    return host


def internal(address: str) -> bool:
    """Whether an IP address is of this machine, of a private network, or of another use than the public internet's.

    So is one of version 6 that a gateway turns into such a one of version 4.
    """
    ip = ipaddress.ip_address(address)
    inner = _inner(ip) if isinstance(ip, ipaddress.IPv6Address) else None
    if inner is not None:
        return not inner.is_global or inner.is_multicast
    return not ip.is_global or ip.is_multicast or ip in _LOCAL_GATEWAYS


_LOCAL_GATEWAYS = ipaddress.ip_network("64:ff9b:1::/48")
_HOLDING = [ipaddress.ip_network(f"{prefix}/96") for prefix in ("::", "::ffff:0:0", "::ffff:0:0:0", "64:ff9b::")]
"""Addresses of version 6 whose last 32 bits are one of version 4: compatible, mapped, translated twice."""


def _inner(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The address of version 4 that one of version 6 stands for."""
    if any(ip in network for network in _HOLDING):
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.sixtofour or (ip.teredo[1] if ip.teredo else None)


@dataclass(frozen=True)
class Reach:
    """Which hosts may be asked on behalf of a server.

    Attributes:
        inward: whether hosts that are not of the public internet may be asked.
    """

    inward: bool

    @classmethod
    def of(cls, url: str) -> Reach:
        """What the address that a user gave reaches: inward if its own host lies there.

        Raises:
            ValueError: see `host_of`.
        """
        return cls(any(map(internal, _resolved(host_of(url)))))

    def check(self, url: str) -> None:
        """Raises a ValueError unless an address may be asked.

        A host that has no address here passes: it may be one behind a proxy, and is not reached otherwise.
        """
        host = host_of(url)
        if not self.inward and any(map(internal, _resolved(host))):
            raise ValueError(
                f"{public(url)} lies on this machine or in its network, where a public server may not lead"
            )

    def check_peer(self, address: str) -> None:
        """Raises a ValueError unless the IP address that a connection came to may be asked."""
        if not self.inward and internal(address):
            raise ValueError(f"a name of a public server led to {address}, on this machine or in its network")


def _resolved(host: str) -> list[str]:
    """IP addresses of a host as the system understands it, also where it is written as a number; none if unknown."""
    try:
        return sorted({str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)})
    except (OSError, UnicodeError):
        return []
