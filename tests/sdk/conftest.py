from tests.gateway_server import gateway_server, served, server_settings

__all__ = ["gateway_server", "served", "server_settings"]
