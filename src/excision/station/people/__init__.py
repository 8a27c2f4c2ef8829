"""Who uses a station: users, their roles, and what each role may do."""
