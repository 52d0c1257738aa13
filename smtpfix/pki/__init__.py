"""Keys, certificates, chains and revocation for the scenarios. Only this wing imports cryptography."""
