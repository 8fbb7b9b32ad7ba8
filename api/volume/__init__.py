"""The block storage API, Cinder v3: see routes.py for its table of contents."""

from api.volume.routes import APIS

__all__ = ["APIS"]
