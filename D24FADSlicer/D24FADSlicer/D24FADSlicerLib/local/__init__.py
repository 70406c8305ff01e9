"""The server on this computer: what it is installed with, and its process."""
