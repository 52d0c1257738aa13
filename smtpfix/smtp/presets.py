"""`PRESETS`: policies for a purpose, which `Policy.like` accepts in addition to providers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

OLD_DEVICES: Final = "old-devices"

PRESETS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        OLD_DEVICES: {
            "mode": "starttls",
            "syntax": "lenient",
            "auth_in_clear": True,
            "tls_min": "TLSv1",
            "old_ciphers": True,
            "handshake_timeout": 30.0,
        }
    }
)
"""The fields of each; everybody may log in, unless there are users.

``old-devices`` takes what scanners, printers and machines of twenty years ago do, and records it as violations.
"""
