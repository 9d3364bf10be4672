"""Settings from the environment, and defaults from the machine."""
