"""Our model as the structs that the clients of Scalingo's API read, one module a resource."""
