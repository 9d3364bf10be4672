"""The limit of wide random layers that a network asks for."""

from lindyn.wire.network import Network, WideNetwork
from lindyn_service.dynamics.wide_limit import WideLayers, wide_layers


def wide_of(network: Network) -> WideLayers | None:
    """What the limit keeps of the weights of a wide network; None for other networks."""
    return wide_layers(network.dims, network.scheme, network.gains) if isinstance(network, WideNetwork) else None
