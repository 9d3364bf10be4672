"""Jobs: long work in small, content-addressed points, which survives the process that does it."""
