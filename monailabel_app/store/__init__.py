"""The server's one database, and what is set aside because it is damaged."""
