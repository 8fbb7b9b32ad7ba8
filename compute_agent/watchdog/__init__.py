"""The watchdog of a node: a small process that is not the agent, and stops evacuable guests when the lease runs out."""
