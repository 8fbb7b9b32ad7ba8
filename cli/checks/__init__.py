"""What `cumulet check` looks at, one file per part of the machine; each check is a small function."""
