"""From a valid request to the bytes of its answer."""
