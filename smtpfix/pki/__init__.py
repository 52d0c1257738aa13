"""Keys, certificates, chains, revocation: what scenarios are made of. The only importer of cryptography."""
