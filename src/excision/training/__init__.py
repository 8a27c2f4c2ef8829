"""The parts that all kinds of training share: data, loop and checkpoints."""

KNOWN_DEFECTS = "known_defects"
"""Under this name, folders of models record which known defects sharpened the attention."""

KNOWN_MASKS = "known_masks"
"""Under this name, a run folder records what the masks of its known defects mark."""

WARM_START = "warm_start"
"""Under this name, a run folder records the networks that its training started from."""
