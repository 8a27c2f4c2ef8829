"""Files, processes and the machine."""
