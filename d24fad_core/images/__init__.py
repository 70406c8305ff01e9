"""Single images: image folders, and scores of images against a few normal ones."""
