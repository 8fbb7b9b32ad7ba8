"""The placement API: see routes.py for its table of contents."""

from api.placement.routes import APIS

__all__ = ["APIS"]
