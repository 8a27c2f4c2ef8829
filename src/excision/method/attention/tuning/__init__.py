"""Tuning the attention to a product, by training it on defects drawn on the product's normal images."""
