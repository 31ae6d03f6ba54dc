"""Who uses a shared service: users, their logins and tokens, and the ways to say who one is."""
