"""What may come in from outside, said once: every way in refuses the same in the same words.

A rule takes plain values and returns what is wrong with them, "" where nothing is; it never repeats
a value, which may be personal. Only what comes in anew is held to the rules: what a store keeps
already is read, served and forgotten as it is.
"""
