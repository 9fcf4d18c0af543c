"""The composition of a deployment: settings in, one graph out."""
