"""From labels to a better model: collected, trained on from the one in use, compared with it, and live."""
