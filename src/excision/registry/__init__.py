"""A registry of models: a folder or bucket with versions that never change, and stages that point to them."""
