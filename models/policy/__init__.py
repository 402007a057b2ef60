"""What a brand may say to whom, how often and at what worth."""
