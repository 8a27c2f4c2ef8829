"""Reports of an evaluation or an inspection: one HTML file, with its charts and pictures."""
