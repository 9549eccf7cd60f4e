"""Federated sentiment analysis with Flower and Hugging Face."""
