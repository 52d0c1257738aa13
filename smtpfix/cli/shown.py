"""What `smtpfix serve` shows in TLS, according to its options: scenarios, certificates, versions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smtpfix.errors import InvalidValueError
from smtpfix.paths import is_file
from smtpfix.policy.catalogue_files import check_scenario_id, load_scenario, read_scenario
from smtpfix.policy.mode import Mode
from smtpfix.policy.scenario import Scenario
from smtpfix.policy.server_policy import SHORT_VERSIONS, TLS_VERSIONS, ServerPolicy
from smtpfix.smtp.policy import Policy
from smtpfix.suggesting import either, one_of


def find_scenario(option: str, text: str) -> Scenario:
    """Return the catalogue's scenario of this id, or that of a user's file, which has to end in ``.toml``.

    Raises `InvalidValueError` and `UnknownScenario`, which name the option.
    """
    if not is_scenario_file(text):
        check_scenario_id(text, option)
        return load_scenario(text)
    try:
        return read_scenario(Path(text))
    except OSError as error:
        expected = f"a scenario's id, or a TOML file that can be read ({error.strerror})"
        raise InvalidValueError(option, text, expected) from error


def is_scenario_file(text: str) -> bool:
    """Return whether a text is the name of a file, and not a scenario's id."""
    return text.endswith(".toml") or "/" in text or "\\" in text


def asked_scenarios(certificate: str | None, other: str | None) -> tuple[Scenario, ...]:
    """Return the scenarios that were asked for, each of its own group."""
    given = (("--certificate", certificate), ("--scenario", other))
    return tuple(find_scenario(option, name) for option, name in given if name is not None)


def sorted_scenarios(certificate: str | None, other: str | None) -> tuple[str | None, str | None]:
    """Return a certificate's scenario and another one, whichever option each of them was written behind.

    Raises `InvalidValueError` for two of one kind, and `UnknownScenario`.
    """
    found: dict[bool, str] = {}
    for option, name in (("--certificate", certificate), ("--scenario", other)):
        if name is None:
            continue
        is_of_certificate = find_scenario(option, name).group == "certificates"
        if is_scenario_file(name):  # of which either option plays all there is in it
            is_of_certificate = option == "--certificate"
        if is_of_certificate in found:
            kind = "a certificate's" if is_of_certificate else "no certificate's"
            sentence = f"{name!r} is {kind} scenario, and so is {found[is_of_certificate]!r}; take one of them"
            raise InvalidValueError.saying(option, name, sentence)
        found[is_of_certificate] = name
    return found.get(True), found.get(False)


def certificate_fields(certificate: str | None, chain: Path | None, key: Path | None) -> dict[str, Any]:
    """Return the fields of a policy for the certificate to show: a scenario's, or a user's own files."""
    if certificate is not None:
        if chain is not None or key is not None:
            sentence = f"it is {certificate!r}, and --certificate-file shows another one; leave one of them out"
            raise InvalidValueError.saying("--certificate", certificate, sentence)
        return {"certificate": Path(certificate) if is_scenario_file(certificate) else certificate}
    if chain is None and key is None:
        return {}
    files = []
    for option, file, holds in (
        ("--certificate-file", chain, "the chain of --key-file's key"),
        ("--key-file", key, "the key of --certificate-file's first certificate"),
    ):
        if file is None or not is_file(file):
            given = None if file is None else str(file)
            raise InvalidValueError(option, given, f"a PEM file with {holds}")
        files.append(file)
    return {"certificate": tuple(files)}


def version_fields(lowest: str | None, highest: str | None) -> dict[str, Any]:
    """Return the fields of a policy for the versions of TLS."""
    found = {}
    for option, text in (("--tls-min", lowest), ("--tls-max", highest)):
        if text is not None:
            version = SHORT_VERSIONS.get(text, text)
            if version not in TLS_VERSIONS:
                raise InvalidValueError(option, text, one_of(text, (*TLS_VERSIONS, *SHORT_VERSIONS)))
            found[option.removeprefix("--").replace("-", "_")] = version
    default = Policy()
    least, most = found.get("tls_min", default.tls_min), found.get("tls_max", default.tls_max)
    if TLS_VERSIONS.index(least) > TLS_VERSIONS.index(most):
        if lowest is not None:
            sentence = f"{lowest!r} is above --tls-max, which is {highest or most!r}; raise that or lower this"
            raise InvalidValueError.saying("--tls-min", lowest, sentence)
        found["tls_min"] = most  # only an old version was asked for
    return found


def showing(
    policies: Sequence[ServerPolicy], scenarios: Sequence[Scenario]
) -> tuple[list[ServerPolicy], tuple[Mode, ...]]:
    """Return the policies that can show the scenarios, and the modes of those that cannot."""
    if not scenarios:
        return list(policies), ()
    able = [
        policy
        for policy in policies
        if all(policy.mode in scenario.modes and scenario.is_for(policy.spoken) for scenario in scenarios)
    ]
    if not able:
        shown = " with ".join(scenario.id for scenario in scenarios)
        modes = [str(mode) for mode in Mode if all(mode in scenario.modes for scenario in scenarios)]
        given = ", ".join(dict.fromkeys(policy.mode for policy in policies))
        needed = either(modes) if modes else "one of them: no mode shows both"
        for scenario in scenarios:
            if not any(scenario.is_for(policy.spoken) for policy in policies):
                needed = (
                    f"a server of {(scenario.protocol or 'smtp').upper()}, such as {scenario.protocol}+{modes[0]}:0"
                )
        raise InvalidValueError.saying("--listen", given, f"{given} cannot show {shown}; choose {needed}")
    left_out = dict.fromkeys(Mode(policy.mode) for policy in policies if policy not in able)
    return able, tuple(left_out)
