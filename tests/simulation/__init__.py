"""The real protocol, runner and tiers over a simulated world: one seed is one history, the same at every telling."""
