"""The station on the line: results in SQLite, a hot folder, and a service with its pages."""
