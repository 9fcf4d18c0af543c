"""What the product fetches: asked of registries anew, and searched for what nothing pins (docs/supply-chain.md)."""
