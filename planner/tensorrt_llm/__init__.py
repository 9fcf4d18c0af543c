"""TensorRT-LLM with its PyTorch backend: a share of what weights, activations and buffers leave is the KV cache."""
