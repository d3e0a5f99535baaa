"""Stage 6: networks as ONNX graphs."""
