"""vLLM's rules: which splits it takes, what it allocates, what it leaves for the KV cache."""
