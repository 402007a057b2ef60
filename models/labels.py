"""What the rate of a release says, as its manifest states it."""

ORGANIC = "ORGANIC"  # how many turn to the item unprompted: it ranks, and is no expected value
RESPONSE = "RESPONSE"  # how many respond once it is shown: it may be multiplied with money
