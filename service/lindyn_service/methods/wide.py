"""Limit of a wide hidden layer for networks of kind wide."""

from lindyn.wire.network import Network, WideNetwork
from lindyn_service.dynamics.wide_limit import WideLayers, wide_layers


def wide_of(network: Network) -> WideLayers | None:
    """Return the parameters of the limit of a wide hidden layer; None for networks of other kinds."""
    return wide_layers(network.dims, network.scheme, network.gains) if isinstance(network, WideNetwork) else None
