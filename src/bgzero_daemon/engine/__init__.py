"""ONNX Runtime: one session for one card on one execution provider."""
