"""The identity API: see routes.py for its table of contents."""

from api.identity.routes import APIS

__all__ = ["APIS"]
