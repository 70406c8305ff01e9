"""Results as pictures: slices as radiologists hang them, with heat and outlines."""
