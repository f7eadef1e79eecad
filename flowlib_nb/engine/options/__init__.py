"""What `%config` sets of the engine; a notebook loads it without loading the engine."""
