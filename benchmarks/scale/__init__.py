"""What does a search cost beside its training, and how many workers can one driver serve?"""
