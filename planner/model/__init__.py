"""What a model is: its shapes by config.json, its quantization, its vision tower, its files."""
