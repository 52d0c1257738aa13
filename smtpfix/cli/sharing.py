"""`check_workers`: it refuses options that several processes of `smtpfix serve` cannot share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from smtpfix.errors import InvalidValueError
from smtpfix.wire.listen import shares_ports

if TYPE_CHECKING:
    from .options import ServeOptions

_MOST: Final = 64


def check_workers(options: ServeOptions) -> None:
    """Raise `InvalidValueError` for a number of workers that cannot serve what is asked for."""
    if not 1 <= options.workers <= _MOST:
        raise InvalidValueError("--workers", options.workers, f"a number of processes, 1 to {_MOST}")
    for reason in _against(options):
        raise InvalidValueError("--workers", options.workers, f"1 {reason}")


def _against(options: ServeOptions) -> Iterator[str]:
    """Yield what stands against more than one worker, as words after their number."""
    if not shares_ports():
        yield "on this system, which does not share connections to one port out between processes"
    for policy in options.policies:
        if policy.reads_mail:
            yield f"with servers of {policy.spoken.upper()}: the mail they show is in the memory of one process"
        if policy.unix_socket is not None:
            yield "with lmtp+unix:PATH: processes cannot share a UNIX socket"
        if getattr(policy, "limits", None) is not None:
            yield "with limits, of --limit or of --like: each process would count for itself"
        if getattr(policy, "greylist", None) is not None:
            yield "with --greylist: a client that tries again may reach another process"
        if policy.uses_tls and not (policy.is_good or policy.has_own_certificate or policy.chain_scenario.is_plain):
            yield "with a certificate's scenario: each process would issue certificates of its own"
    if options.web is not None and options.web.chaos:
        yield "with MP_ENABLE_CHAOS: the web server cannot make servers in other processes fail"
