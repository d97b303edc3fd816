"""The HTTP side: a route table of plain handlers over the use cases, and the one asynchronous class that serves it."""
