"""What keeps a service in order over years: checking, backing up, restoring, forgetting."""
