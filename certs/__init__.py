"""The certificate catalogue: one TOML file a scenario, read by `smtpfix.scenario`."""
