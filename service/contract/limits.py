"""Every limit and default of the contract, once; the comments in protos/ state the same numbers."""

from models.domain import decisions, profile
from models.domain.input import limits as values

# Lengths are in bytes of UTF-8.
ID_BYTES = values.ID_BYTES
ITEM_ID_BYTES = values.ITEM_ID_BYTES
NAME_BYTES = values.NAME_BYTES
PLACE_BYTES = values.PLACE_BYTES
TITLE_BYTES = values.TITLE_BYTES

IDENTIFIERS = 16
CUSTOMER_IDENTIFIERS = profile.IDENTIFIERS_MOST  # that links join to one customer
MONEY_UNITS = values.MONEY_UNITS
MONEY_NANOS = values.MONEY_NANOS

COUNT = 100
DEFAULT_COUNT = 10
INCLUDE = 1_000
EXCLUDE = 1_000
CONTEXT_ITEMS = 50
WITHHELD = decisions.WITHHELD_MOST  # told in an answer; the rest is counted
BATCH = 200

EVENTS = 1_000
QUANTITY = values.QUANTITY
AHEAD_MINUTES = values.AHEAD_MINUTES
BEHIND_DAYS = values.BEHIND_DAYS
ATTRIBUTES = values.ATTRIBUTES
ATTRIBUTE_NAME_BYTES = values.ATTRIBUTE_NAME_BYTES
ATTRIBUTE_VALUE_BYTES = values.ATTRIBUTE_VALUE_BYTES

RECENT = 100
DEFAULT_RECENT = 20

UPSERT = 1_000
FEATURES = values.FEATURES
FEATURE_NAME_BYTES = values.FEATURE_NAME_BYTES
FEATURE_VALUES = values.FEATURE_VALUES
FEATURE_VALUE_BYTES = values.FEATURE_VALUE_BYTES
STOCK_ENTRIES = values.STOCK_ENTRIES
OFFER_ITEMS = values.OFFER_ITEMS
GROUPS = values.GROUPS
CREATIVE_BYTES = values.CREATIVE_BYTES
VOLUME = values.VOLUME
PAGE = 1_000
DEFAULT_PAGE = 100

RELEASE_DIGITS = 8
REASON_BYTES = 256

DIGEST_DIGITS = 8
POLICY_BYTES = 64 * 1024

# Of the transport, stated in docs/contract.md rather than in the contract.
MESSAGE_BYTES = 4 * 1024 * 1024
METADATA_SOFT_BYTES = 8 * 1024
METADATA_HARD_BYTES = 16 * 1024
STREAMS = 100  # calls at once on one connection
IDLE_MINUTES = 5  # after which a connection without calls is closed
AGE_MINUTES = 30  # after which a connection takes no further calls
PING_SECONDS = 10  # between two pings of a client at least
PAGE_BYTES = MESSAGE_BYTES // 2  # a page of a list ends here, however few rows it holds
BATCH_BYTES = MESSAGE_BYTES * 3 // 4  # of a batch's answers; one more fits into the message
VIOLATION_BYTES = 4 * 1024  # of all violations of a status
VIOLATIONS = 20  # as many as status details can carry within the metadata limit
