"""Where a packet would go: `path` follows it, `rules` asks security groups, `model` says what both speak of. Pure."""
