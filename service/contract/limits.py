"""Every limit and default of the contract, once; the comments in protos/ state the same numbers."""

from models.domain import decisions, names, profile

# Lengths are in bytes of UTF-8.
ID_BYTES = 256  # identifier values, event, item, offer and decision ids
NAME_BYTES = names.NAME_BYTES  # channels, event types, placements, namespaces, who asserts a link
PLACE_BYTES = 64
TITLE_BYTES = 256

IDENTIFIERS = 16
CUSTOMER_IDENTIFIERS = profile.IDENTIFIERS_MOST  # that links join to one customer
MONEY_UNITS = 10**12
MONEY_NANOS = 999_999_999

COUNT = 100
DEFAULT_COUNT = 10
INCLUDE = 1_000
EXCLUDE = 1_000
CONTEXT_ITEMS = 50
WITHHELD = decisions.WITHHELD_MOST  # told in an answer; the rest is counted
BATCH = 200

EVENTS = 1_000
QUANTITY = 10**9
AHEAD_MINUTES = 5  # how far a sender's clock may be in front of ours
BEHIND_DAYS = 7
ATTRIBUTES = 64
ATTRIBUTE_NAME_BYTES = 64
ATTRIBUTE_VALUE_BYTES = 1_024

RECENT = 100
DEFAULT_RECENT = 20

UPSERT = 1_000
FEATURES = 64
FEATURE_NAME_BYTES = 64
FEATURE_VALUES = 16
FEATURE_VALUE_BYTES = 256
STOCK_ENTRIES = 10_000
OFFER_ITEMS = 20_000
GROUPS = 16
CREATIVE_BYTES = 1_024
VOLUME = 10**9
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
