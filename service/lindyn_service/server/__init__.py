"""The start of the service: its command line, its sockets and connections, and the assembly of its parts."""
