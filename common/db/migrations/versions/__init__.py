"""Revisions, oldest first by number. Made by `python -m common.db.migrate revision "what changes"`, then read by you."""
