"""The image API: see routes.py for its table of contents."""

from api.image.routes import APIS

__all__ = ["APIS"]
