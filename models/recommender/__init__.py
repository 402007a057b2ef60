"""What is learnt, without a catalogue: features, candidates, vectors, trees."""
