"""People who sign in and ask for access: accounts, tokens, codes, every move of a participant."""
