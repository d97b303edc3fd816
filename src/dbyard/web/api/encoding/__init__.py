"""Our model as the structs of the wire, one module a resource."""
