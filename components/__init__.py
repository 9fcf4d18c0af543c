"""Pulumi components: one public component a file, none of which reads configuration."""
