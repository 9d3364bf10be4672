"""The settings, read from the environment, with defaults that depend on the machine."""
