"""The app's own HTTP routes, placed before those of MONAI Label."""

from monailabel_app.api.installation import install_routes

__all__ = ["install_routes"]
