"""Settings of a stack: a file a section, the rules between them, and how they are read from its configuration."""
