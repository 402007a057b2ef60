"""Stage one: training examples, and the vectors that are fitted on them."""
