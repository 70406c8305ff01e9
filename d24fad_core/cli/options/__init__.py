"""Options of commands: how they are written, read and checked."""
