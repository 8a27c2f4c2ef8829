"""Which defects a model is sure to find: probability of detection, measured with drawn defects."""
