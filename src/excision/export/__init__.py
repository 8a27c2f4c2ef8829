"""Taking a trained model to the line: export, proof that it says the same, and what runs without torch."""
