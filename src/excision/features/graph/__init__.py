"""The convolutional part of an ONNX graph as a torch module."""
