"""Why an offer was shown or not, and the smallest change that would have shown it."""
