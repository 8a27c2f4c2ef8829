"""Tuning the attention to a product: defects drawn on its good images, and the training on them."""
