"""HTTP as everything here speaks it: one server, its requests and answers, journal and faults, and a client."""
