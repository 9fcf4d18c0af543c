"""Where machines come from: one file a platform, each of which gives the same machines."""
