"""Telling people: the outbox of mails, the thread that sends them, signed webhooks."""
