"""One inspection divided into parts: by processes of one machine, or by jobs of many machines."""
