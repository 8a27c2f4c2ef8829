"""The line: from a trigger over the camera and the model to one report on every signal."""
