"""Storage of answers that are too large for memory and Redis, as files in a folder of limited size."""
