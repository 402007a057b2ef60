"""What is learnt, over a catalogue: the offers of one customer in order."""
