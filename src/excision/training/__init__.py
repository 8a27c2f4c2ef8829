"""What every training has in common: its data, its loop and its checkpoints."""
