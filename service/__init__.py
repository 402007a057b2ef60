"""Online: gRPC, stores, life cycle, and the command line."""
