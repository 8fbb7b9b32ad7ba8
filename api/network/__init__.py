"""The network API: see routes.py for its table of contents."""

from api.network.routes import APIS

__all__ = ["APIS"]
