"""How good are bounds that are read off ramps alone? They were the program's until its range test trained cycles."""
