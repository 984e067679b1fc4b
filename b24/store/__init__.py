"""Storage: the engine, the protocol's own tables, marks and leases."""
