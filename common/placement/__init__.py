"""Where a server goes: filters and scores over the nodes as they are known. The scheduler claims by it, the API explains."""
