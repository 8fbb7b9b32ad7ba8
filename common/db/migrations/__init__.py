"""Alembic's folder: env.py says how to run, versions/ holds the revisions. Use them through common/db/migrate.py."""
