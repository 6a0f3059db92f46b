"""What does a search survive?"""
