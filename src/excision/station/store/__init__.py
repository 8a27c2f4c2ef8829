"""What a station keeps of every image, in SQLite."""
