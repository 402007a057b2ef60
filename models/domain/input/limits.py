"""The limits of values that come in, whichever way; the comments in protos/ state the same."""

from models.domain import names
from models.domain.names import DEFAULT_PREFIX

# Lengths are in bytes of UTF-8.
ID_BYTES = 256  # identifier values, event, item, offer and decision ids
ITEM_ID_BYTES = ID_BYTES - len(DEFAULT_PREFIX)  # of an item that comes in: its own offer's id fits
NAME_BYTES = names.NAME_BYTES  # channels, event types, placements, namespaces, who asserts a link
PLACE_BYTES = 64
TITLE_BYTES = 256

MONEY_UNITS = 10**12
MONEY_NANOS = 999_999_999

QUANTITY = 10**9
AHEAD_MINUTES = 5  # how far a sender's clock may be in front of ours
BEHIND_DAYS = 7
ATTRIBUTES = 64
ATTRIBUTE_NAME_BYTES = 64
ATTRIBUTE_VALUE_BYTES = 1_024

FEATURES = 64
FEATURE_NAME_BYTES = 64
FEATURE_VALUES = 16
FEATURE_VALUE_BYTES = 256
STOCK_ENTRIES = 10_000
OFFER_ITEMS = 20_000
GROUPS = 16
CREATIVE_BYTES = 1_024
VOLUME = 10**9
