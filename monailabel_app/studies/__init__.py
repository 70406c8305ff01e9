"""The studies a client can name: of a folder or a PACS, whatever store they lie in."""
