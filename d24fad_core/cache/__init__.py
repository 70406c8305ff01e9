"""Files that spare a computation: verified when read, never needed, bounded in size."""
