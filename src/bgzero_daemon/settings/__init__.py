"""The configuration: one frozen class per table, read from TOML and the environment."""
