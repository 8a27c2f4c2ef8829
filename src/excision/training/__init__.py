"""The parts that all kinds of training share: data, loop and checkpoints."""
