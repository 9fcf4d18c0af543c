"""Pulumi and its plugins: the official ones where they can be had, otherwise built from published modules."""
