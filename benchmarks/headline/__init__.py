"""How well does the tuned recipe do on CIFAR-10?"""
