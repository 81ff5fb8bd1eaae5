"""Plain modules that know no loss, built from the layer notation."""

from twofold.networks.network import Network, build_network

__all__ = ["Network", "build_network"]
