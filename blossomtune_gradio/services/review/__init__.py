"""What admins see of people and sites in one table, and what they decide there."""
