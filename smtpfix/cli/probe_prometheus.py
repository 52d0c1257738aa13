"""The result of a probe in Prometheus's text format, version 0.0.4.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterator

from smtpfix.probe.measurement import ProbeResult


def exposition(result: ProbeResult) -> str:
    """Return all of it, with a line feed at its end."""
    asked = result.probe
    target = {"host": asked.host, "port": str(asked.port), "connection": str(asked.connection)}
    target["protocol"] = str(asked.protocol)
    return "".join(
        f"# HELP smtpfix_probe_{name} {words}\n# TYPE smtpfix_probe_{name} gauge\n"
        + "".join(f"smtpfix_probe_{name}{{{_labels(target | more)}}} {value!r}\n" for more, value in samples)
        for name, words, samples in _families(result)
        if samples
    )


def _families(result: ProbeResult) -> Iterator[tuple[str, str, list[tuple[dict[str, str], float]]]]:
    """Yield names, what they mean, and each value with its own labels."""
    yield "success", "Whether all went well.", [({}, int(result.succeeded))]
    words = "0: all went well; -1: no valid reply; else the server's, or 1 where it has none."
    yield "reply_code", words, [({}, result.reply_code)]
    yield "failure_info", "Where it ended.", [({"stage": result.stage}, 1)] if result.stage else []
    yield "start_timestamp_seconds", "When the probe began.", [({}, result.started.timestamp())]
    times = [({"phase": name}, value) for name, value in result.seconds.items()]
    yield "duration_seconds", "How long it took.", times
    if result.tls_version:
        labels = {"version": result.tls_version, "cipher": result.cipher or ""}
        yield "tls_info", "What TLS came to.", [(labels, 1)]
    if (certificate := result.certificate) is not None:
        words = "OpenSSL's verify code for the certificate; 0: it is trusted."
        yield "certificate_verify_code", words, [({}, certificate.verify_code)]
        if certificate.expires is not None:
            words = "Until when the certificate is valid."
            yield "certificate_expiry_timestamp_seconds", words, [({}, certificate.expires.timestamp())]


def _labels(labels: dict[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
