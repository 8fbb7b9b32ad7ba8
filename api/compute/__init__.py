"""The compute API: see routes.py for its table of contents."""

from api.compute.routes import APIS

__all__ = ["APIS"]
