"""The main job from end to end: a server, a few normal studies, a case, and what was found."""
