"""What is held out of a log to measure on, case by case, with the customer as known before."""
