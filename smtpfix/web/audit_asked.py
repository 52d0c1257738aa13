"""`AskedAudit`: the settings of an audit from the page, as a value that checks itself.

Imports the audit only when one is asked for. Nothing of it becomes a part of a command line.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from smtpfix.errors import ExtraMissing, InvalidValueError
from smtpfix.suggesting import one_of

if TYPE_CHECKING:
    from smtpfix.audit.auditing import Audit
    from smtpfix.audit.device import Guide
    from smtpfix.audit.result import Declaration

PROTOCOLS: Final = ("smtp", "imap", "pop3")
MOST_SCENARIOS: Final = 1_000
_LONGEST: Final = 200
_LARGEST: Final = 65_535
_TEXTS: Final = ("client", "protocol", "mode", "trust", "user", "password", "host", "hostname", "name")
_LISTS: Final = ("groups", "scenarios")
_OF_DEVICES: Final = ("host", "hostname", "port", "name")
_NAMES: Final = {"credentials": "password", "ids": "scenarios", "ports": "port", "Policy.hostname": "hostname"}
"""How what an audit in Python is told is called here."""
KEYS: Final = ("device", "port", *_TEXTS, *_LISTS)
"""What may be asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedAudit:
    """An audit of a built-in client, or of a device. Raises `InvalidValueError`."""

    client: str = ""
    """The name of a built-in client; empty: a device."""
    protocol: str = "smtp"
    mode: str = "starttls-required"
    trust: str = "pki"
    user: str = ""
    """Whom it logs in as; empty: not at all, or of what reads mail, the user that there is."""
    password: str = field(default="", repr=False)
    groups: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()
    host: str = "localhost"
    """Where the servers for a device listen."""
    hostname: str = ""
    """What a device connects to: a name, or an address; empty: `host`."""
    port: int = 0
    """That a device connects to; 0: the conventional one of the protocol and mode."""
    name: str = "device"
    """What a device is called in the report."""

    def __post_init__(self) -> None:
        for key in _TEXTS:
            text = getattr(self, key)
            if not text.isprintable() or len(text) > _LONGEST:
                raise InvalidValueError(key, text[:40], f"printable text of at most {_LONGEST} characters")
        if self.protocol not in PROTOCOLS:
            raise InvalidValueError("protocol", self.protocol, one_of(self.protocol, PROTOCOLS))
        if bool(self.user) != bool(self.password):
            raise InvalidValueError("user", self.user, "a user and a password, or neither")
        if len(self.scenarios) > MOST_SCENARIOS:
            raise InvalidValueError("scenarios", len(self.scenarios), f"at most {MOST_SCENARIOS} scenarios")
        if not self.client:
            self._check_place()
        self._check_by_audit()

    @classmethod
    def read(cls, asked: Mapping[str, Any]) -> AskedAudit:
        """Read what came as JSON. Raises `InvalidValueError`."""
        for key in asked:
            if key not in KEYS:
                raise InvalidValueError("audit", key[:40], one_of(key, KEYS))
        is_device = asked.get("device", False)
        if not isinstance(is_device, bool) or is_device is bool(asked.get("client")):
            raise InvalidValueError("audit", "neither or both", 'a built-in "client", or "device": true')
        values: dict[str, Any] = {}
        for key in _TEXTS:
            if key in asked:
                values[key] = _of_kind(key, asked[key], str, "a text")
        for key in _LISTS:
            if key in asked:
                listed = _of_kind(key, asked[key], list, "a list of texts")
                values[key] = tuple(_of_kind(key, one, str, "a list of texts") for one in listed)
        if "port" in asked:
            values["port"] = _of_kind("port", asked["port"], int, "a number")
        for key in _OF_DEVICES:
            if key in values and not is_device:
                raise InvalidValueError(key, values[key], "nothing with a built-in client: it is for devices")
        return cls(**values)

    @property
    def is_device(self) -> bool:
        """Whether somebody else starts what is audited."""
        return not self.client

    @property
    def declaration(self) -> Declaration:
        """What the client is meant to do."""
        from smtpfix.audit.auditing import declare  # noqa: PLC0415 - only who audits needs it

        credentials = (self.user, self.password) if self.user else None
        return declare(self.mode, self.trust, credentials, protocol=self.protocol)

    def audit(self, guide: Guide | None) -> Audit:
        """Return the audit, of a device led by a guide; nothing is started yet."""
        from smtpfix.audit.adapters import adapter  # noqa: PLC0415 - only who audits needs it
        from smtpfix.audit.auditing import Audit  # noqa: PLC0415
        from smtpfix.audit.deployment import CONVENTIONAL, Deployment  # noqa: PLC0415
        from smtpfix.audit.device import DEFAULT_PATIENCE  # noqa: PLC0415

        from .audit_guide import WatchedDevice  # noqa: PLC0415

        declaration = self.declaration
        if guide is None:
            return Audit(adapter(self.client, declaration), declaration, groups=self.groups, ids=self.scenarios)
        ports = str(self.port) if self.port else CONVENTIONAL
        return Audit(
            WatchedDevice(guide, name=self.name),
            declaration,
            groups=self.groups,
            ids=self.scenarios,
            timeout=DEFAULT_PATIENCE,
            deployment=Deployment(ports, self.host, self.hostname or None),
        )

    def as_json(self) -> dict[str, Any]:
        """Return it as `read` takes it, the password included."""
        given = {
            key: getattr(self, key) for key in KEYS if key != "device" and not (self.client and key in _OF_DEVICES)
        }
        given |= {key: list(given[key]) for key in _LISTS}
        return {**given, "device": self.is_device}

    def _check_place(self) -> None:
        """Check where servers stand, and that a device can tell how to get there."""
        if self.host != "localhost" and not _is_address(self.host):
            raise InvalidValueError("host", self.host, "localhost, or an IP address of this machine")
        if self.host in ("0.0.0.0", "::") and not self.hostname:
            raise InvalidValueError("hostname", "", f"the name or IP address that the device finds {self.host} at")
        if not 0 <= self.port <= _LARGEST:
            raise InvalidValueError("port", self.port, f"a number from 1 to {_LARGEST}")
        if not self.name:
            raise InvalidValueError("name", "", "what to call the device")

    def _check_by_audit(self) -> None:
        """Have the audit check everything else, files and names that are none above all."""
        from smtpfix.audit.adapters import ADAPTERS  # noqa: PLC0415 - only who audits needs it
        from smtpfix.audit.adapters_reading import READING_ADAPTERS  # noqa: PLC0415
        from smtpfix.audit.plan import is_file  # noqa: PLC0415
        from smtpfix.policy.catalogue_files import check_scenario_id  # noqa: PLC0415

        known = READING_ADAPTERS.get(self.protocol, ADAPTERS)
        if self.client and self.client not in known:
            raise InvalidValueError("client", self.client, one_of(self.client, known))
        for one in self.scenarios:
            if is_file(one):
                raise InvalidValueError("scenarios", one, "ids of the catalogue, no files")
            check_scenario_id(one, "scenarios")
        try:
            self.audit(None if self.client else _NOBODY)
        except InvalidValueError as error:
            raise error.renamed(_NAMES.get(error.field, error.field)) from error


def choices() -> dict[str, Any]:
    """Return what can be asked for: clients that are installed, by protocol, and everything else by its key."""
    from smtpfix.audit.adapters import ADAPTERS  # noqa: PLC0415 - only who audits needs it
    from smtpfix.audit.adapters_reading import READING_ADAPTERS  # noqa: PLC0415
    from smtpfix.audit.plan import EVERYTHING  # noqa: PLC0415
    from smtpfix.audit.result import DeclaredMode, Trust  # noqa: PLC0415
    from smtpfix.policy.scenario import GROUPS  # noqa: PLC0415

    known = {one: [*READING_ADAPTERS.get(one, ADAPTERS)] for one in PROTOCOLS}
    return {
        "clients": {
            protocol: [name for name in names if _is_here(name, protocol)] for protocol, names in known.items()
        },
        "modes": list(DeclaredMode),
        "trust": list(Trust),
        "groups": [*GROUPS, EVERYTHING],
    }


def _is_here(name: str, protocol: str) -> bool:
    """Return whether a built-in client is installed."""
    import shutil  # noqa: PLC0415

    from smtpfix.audit.adapters import adapter  # noqa: PLC0415
    from smtpfix.audit.auditing import declare  # noqa: PLC0415
    from smtpfix.audit.command import Command  # noqa: PLC0415

    try:
        client = adapter(name, declare("starttls-required", "pki", protocol=protocol))
    except ExtraMissing:
        return False
    except InvalidValueError:  # not in this mode
        return True
    return not isinstance(client, Command) or shutil.which(client.arguments[0]) is not None


def _of_kind(key: str, value: Any, kind: type, expected: str) -> Any:
    if type(value) is not kind:
        raise InvalidValueError(key, str(value)[:40], expected)
    return value


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return "%" not in host


class _Nobody:
    """A guide that leads nobody: for an audit that is only looked at."""

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError(name)


_NOBODY: Final[Any] = _Nobody()
