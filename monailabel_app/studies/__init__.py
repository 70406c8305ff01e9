"""The studies a client can name: a folder or a PACS behind MONAI Label's datastore."""
