"""SGLang: a static share of memory for weights and tokens, the rest for activations and graphs."""
