"""`Place`: the names and addresses of a server, above all for its certificates."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple


class Place(NamedTuple):
    """Where a server is, for what certificates have to name; each field can stand in braces in a catalogue file."""

    host: str
    """What clients connect to where the scenario does not ask for another name: the policy's host."""
    hostname: str
    """The server's own name, `Policy.hostname`."""
    address: str
    """The first IP address it listens on."""
    others: tuple[str, ...] = ()
    """The other names and addresses it goes by."""

    def expand(self, template: str, name: str = "") -> str:
        """Return a text with its placeholders filled in; `name` is what this scenario's clients connect to."""
        label, _, domain = self.hostname.partition(".")
        values = {
            "name": name,
            "host": self.host,
            "hostname": self.hostname,
            "address": self.address,
            "label": label,
            "initial": label[:1],
            "domain": domain or label,
            "tld": self.hostname.rpartition(".")[2],
            "names": ",".join(self.names(name)) if "{names}" in template else "",  # which costs more than the rest
        }
        return template.format_map(values)

    def names(self, name: str) -> tuple[str, ...]:
        """Return every name and address a good certificate holds, sorted."""
        names = {name, self.host, self.hostname, self.address, *self.others}
        return tuple(sorted(filter(_is_identity, names)))


def _is_identity(name: str) -> bool:
    """Return whether a certificate can name this; a wildcard address such as 0.0.0.0 is nobody's."""
    try:
        return not ipaddress.ip_address(name).is_unspecified
    except ValueError:
        return bool(name) and not name.startswith("[")
