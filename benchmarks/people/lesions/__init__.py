"""Lesions to plant into the heads of real people, and how conspicuous they are."""
