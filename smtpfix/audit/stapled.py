"""`StaplingAuthority`: an authority for clients that demand a stapled OCSP response (RFC 6066 section 8)."""

from __future__ import annotations

from collections.abc import Callable

from smtpfix.errors import InvalidValueError
from smtpfix.pki.authority import Authority
from smtpfix.policy.place import Place
from smtpfix.policy.server_policy import ServerPolicy
from smtpfix.tls.contexts import needed_stack
from smtpfix.tls.side import TLSSide


class StaplingAuthority(Authority):
    """Has every server staple one, whatever it shows, so that a client that refuses does so for another reason.

    Where the scenario is that there is none, none is.
    """

    def tls_factory(self, policy: ServerPolicy, place: Place) -> Callable[[], TLSSide]:
        """Return what makes the TLS side of each connection, with a staple.

        Raises `InvalidValueError` where nothing can be stapled.
        """
        stack = needed_stack(policy)
        if stack == "legacy":
            name = str(policy.scenario or policy.certificate)
            raise InvalidValueError("expect_staple", name, "a scenario whose TLS can have a stapled response")
        demands = any(profile.must_staple for profile in policy.chain_scenario.profiles)
        if stack is not None or demands or policy.has_own_certificate:
            return super().tls_factory(policy, place)
        if not policy.tls_profile.rotate_keys:
            return self._stapling(policy, place)

        def anew() -> TLSSide:
            return self._stapling(policy, place)()

        return anew
