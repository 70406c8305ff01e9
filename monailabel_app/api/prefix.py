"""Where the review API lies; docs/http-api.md describes it."""

API_VERSION = 1
PREFIX = f"/d24fad/v{API_VERSION}"
