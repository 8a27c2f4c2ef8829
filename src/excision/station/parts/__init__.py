"""Parts of several views: which results belong together, and the one verdict on them."""
