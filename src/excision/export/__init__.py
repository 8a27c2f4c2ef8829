"""Export of a trained model, with proof that it agrees with torch."""
