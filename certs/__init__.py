"""The catalogue of scenarios: one TOML file each, read by `smtpfix.policy.catalogue_files`."""
