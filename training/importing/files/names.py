"""The columns that stand beside those of a file: where each row comes from."""

# Raw columns live beside the computed ones, whose names start with this.
COMPUTED = "="
ROW = "row"  # the number of the data row in its file, from 1
FILE = COMPUTED + "file"  # the index of the tally of its file
