"""Jobs: sweeps and experiments as content-addressed points, whose computation survives a restart of the service."""
