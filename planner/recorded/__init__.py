"""Asks a vLLM that is installed on this machine what its class of a model holds, without a weight or a GPU."""
