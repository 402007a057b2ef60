"""Decision records on their way into a store, sealed and chained."""
