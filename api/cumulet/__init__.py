"""The cumulet API: see routes.py for its table of contents."""

from api.cumulet.routes import APIS

__all__ = ["APIS"]
