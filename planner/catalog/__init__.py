"""What is known of GPUs, machines, prices, storage and engines' versions: data with their sources."""
