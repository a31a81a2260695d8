"""The laws, pure: no await, clock, chance, environment, logging or framework."""
