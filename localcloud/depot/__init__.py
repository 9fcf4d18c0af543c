"""One HTTP server for everything machines fetch from outside: images, models, Python packages, Debian packages."""
