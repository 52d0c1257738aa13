"""The soak: servers under load, faults, kills and signals for a while, and a table of what was promised and kept."""
