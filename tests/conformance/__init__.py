"""OpenStack's own test suites as a yardstick: lists of their tests, a runner and the counts that docs/conformance.md holds."""
