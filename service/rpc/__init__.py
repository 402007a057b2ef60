"""The services of the contract over gRPC, and what stands around every call."""
