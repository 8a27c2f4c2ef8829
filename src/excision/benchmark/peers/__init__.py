"""What other methods cost at the sizes that people use: timing alone, with random weights."""
