"""What assembles the service and runs it."""
