"""What does each addition to the seed's recipe bring?"""
