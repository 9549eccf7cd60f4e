"""What Flower's programs and apps wrote, understood: rounds, numbers, causes."""
