"""docs/api-support.md: which of OpenStack's documented calls are there, told from the route tables."""
