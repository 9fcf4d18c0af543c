"""llama.cpp's and Ollama's rules: which layers lie on which device, and what stays in the machine's memory."""
