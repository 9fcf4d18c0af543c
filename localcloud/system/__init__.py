"""This computer's side of everything here: its programs, processes, locks, cache and small JSON files."""
