"""The results of many stations in one PostgreSQL."""
