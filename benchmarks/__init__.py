"""What Cumulet costs: the figures of docs/performance.md, measured on real processes."""
