"""Records what a module computes as an ONNX graph: each call of torch becomes nodes that compute the same."""
