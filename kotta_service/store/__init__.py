"""The database: its tables, its connections, and every SQL statement of the service."""
