"""BlossomTune: onboarding, run control and monitoring for federated learning with Flower."""

__version__ = "0.1.0"
