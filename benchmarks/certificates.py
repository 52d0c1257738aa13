"""The certificate that peers show: an EC leaf, of the kind smtpfix issues; the only importer of trustme here."""

from __future__ import annotations

from pathlib import Path

import trustme


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate chain for the loopback addresses and its key; return both files."""
    leaf = trustme.CA().issue_cert("localhost", "127.0.0.1", "::1")
    chain, key = folder / "chain.pem", folder / "key.pem"
    for number, blob in enumerate(leaf.cert_chain_pems):
        blob.write_to_path(str(chain), append=number > 0)
    leaf.private_key_pem.write_to_path(str(key))
    return chain, key
