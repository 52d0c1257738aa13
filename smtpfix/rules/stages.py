"""The stages that every protocol has in addition to its commands."""

from __future__ import annotations

from typing import Final

CONNECT: Final = "CONNECT"
"""The stage when a connection is there: nothing has been said, and implicit TLS has not begun."""
HANDSHAKE: Final = "HANDSHAKE"
"""The stage when the ClientHello has come whole; its argument is the server name asked for."""
GREETING: Final = "GREETING"
"""The stage when the greeting is due: after `CONNECT`, and with implicit TLS after the handshake."""
AUTH_ANSWER: Final = "AUTH-ANSWER"
"""The stage at the client's answer to a challenge of a login; ``*``, by which it cancels, is none."""
UNKNOWN: Final = "UNKNOWN"
"""The stage of a command that the protocol does not know; its argument is the whole line."""
ANY: Final = "*"
"""Every command, also those nobody knows, but no stage that is none."""

BESIDE_COMMANDS: Final = frozenset({CONNECT, HANDSHAKE, GREETING, AUTH_ANSWER})
"""Those of them that are no command."""
