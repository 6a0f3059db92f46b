"""How fast is a training step, and what is between it and what the machine could do?"""
