"""The operations of the service: models, computation and estimated cost of each kind of request."""
